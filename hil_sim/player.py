"""Plays a recording through a reader's ring: every record once, none lost for want of a reader."""

from __future__ import annotations

from typing import Final

import numpy as np

from hil_sim.folder import SimulationError
from hil_sim.recording import CLOCK_TOLERANCE_S, Rows
from hil_sim.stations import Station

#: How often records are written: often enough that a ring emptied in between is soon full again.
PLAY_STEP_S: Final = 0.02


class Player:
    """Writes each range when its time has come.

    A record's time is `base + t`, whatever the speed; the reader's clock goes at the speed of the
    play until its end, and then at its own. A record that no one has read yet is not overwritten:
    the play waits for its reader.
    """

    def __init__(self, rows: Rows, station: Station, speed: float) -> None:
        """Nothing is played until the first `advance`.

        Raises:
            SimulationError: so fast, the reader's clock would leave what the gateway believes.
        """
        length_s = max(0.0, float(rows.t_us[-1]) / 1e6) if len(rows.t_us) else 0.0
        if length_s * (1 - 1 / speed) > CLOCK_TOLERANCE_S:
            msg = (
                f"the recording is {length_s:.0f} s long: played {speed:g} times as fast, the "
                f"reader's clock would be more than {CLOCK_TOLERANCE_S} s ahead; play it slower"
            )
            raise SimulationError(msg)
        self._end_s = length_s / speed
        self._rows = rows
        self._station = station
        self._speed = speed
        #: How many records were written so far.
        self.played = 0

    def __len__(self) -> int:
        return len(self._rows.t_us)

    def advance(self, base_t_us: int, elapsed_s: float) -> None:
        """Writes what is due `elapsed_s` seconds after the start, which is at `base_t_us`."""
        fast_s = min(elapsed_s, self._end_s)
        now_us = round((fast_s * self._speed + elapsed_s - fast_s) * 1e6)
        due = int(np.searchsorted(self._rows.t_us, now_us, side="right"))
        start, end = self.played, min(due, self.played + self._station.ring.room)
        part = slice(start, end)
        rows = self._rows
        columns = {
            "t_us": base_t_us + rows.t_us[part],
            "card": rows.card[part],
            "anchor": rows.anchor[part],
            "range_m": rows.range_m[part],
            "rssi_dbm": rows.rssi_dbm[part],
            "first_path_dbm": rows.first_path_dbm[part],
        }
        self._station.add(columns, (base_t_us + now_us) * 1000)
        self.played = max(start, end)
