"""What a reader reports: tags as records, events in words. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from equipment.llrp_profile import Epc, LlrpProfile
from protocols.llrp import wire
from protocols.llrp.wire import NonsenseError, Parameter
from protocols.losses import Loss
from protocols.readers import AGE_US

Columns = dict[str, NDArray[np.generic]]

#: Times beyond are none: what 64 bits hold.
_T_US_MOST: Final = (1 << 63) // 1000 - 1


@dataclass(slots=True)
class Seen:
    """The tags of a report: `timed` have times of the reader's clock, `bare` have none."""

    timed: Columns | None = None
    bare: Columns | None = None
    refused: list[Loss] = field(default_factory=list)

    @property
    def newest_ns(self) -> int | None:
        """The newest time; None where there is none."""
        return None if self.timed is None else int(self.timed["t_us"].max()) * 1000


class ReportReader:
    """Reads reports as a profile says."""

    def __init__(self, profile: LlrpProfile) -> None:
        self._epc = profile.epc
        self._sides = profile.sides

    def read(self, body: bytes) -> Seen:
        """The tags in an RO_ACCESS_REPORT, those that can be read."""
        timed: list[tuple[Any, ...]] = []
        bare: list[tuple[Any, ...]] = []
        refused: Counter[str] = Counter()
        try:
            for one in wire.parameters(body):
                if one.kind == wire.TAG_REPORT_DATA:
                    self._take(one, timed, bare, refused)
        except NonsenseError as error:
            refused[f"a report with {error}"] += 1
        losses = [Loss(count, reason) for reason, count in refused.items()]
        return Seen(self._columns(timed, "t_us"), self._columns(bare, AGE_US), losses)

    def _take(
        self,
        one: Parameter,
        timed: list[tuple[Any, ...]],
        bare: list[tuple[Any, ...]],
        refused: Counter[str],
    ) -> None:
        try:
            t_us, *rest = self._row(one.body)
        except NonsenseError as error:
            refused[f"a tag with {error}"] += 1
            return
        if t_us is None:
            bare.append((0, *rest))
        else:
            timed.append((t_us, *rest))

    def _row(self, body: bytes) -> tuple[int | None, str, float, int]:
        """Time (µs, None where there is none), card, RSSI and side of one tag."""
        epc: bytes | None = None
        t_us, rssi_dbm, side = None, np.nan, 0
        for kind, data in wire.parameters(body):
            if kind == wire.EPC_96:
                epc = data
            elif kind == wire.EPC_DATA:
                epc = data[2:]
                if len(epc) != (wire.number(data, 0, 2) + 7) // 8:
                    msg = "an EPC of another length than it says"
                    raise NonsenseError(msg)
            elif kind == wire.FIRST_SEEN_UTC:
                t_us = min(int.from_bytes(data, "big"), _T_US_MOST)
            elif kind == wire.PEAK_RSSI:
                rssi_dbm = float(int.from_bytes(data, "big", signed=True))
            elif kind == wire.ANTENNA_ID:
                side = self._sides.get(int.from_bytes(data, "big"), 0)
        if not epc:
            msg = "no EPC"
            raise NonsenseError(msg)
        return t_us, card_of(epc, self._epc), rssi_dbm, side

    def _columns(self, rows: list[tuple[Any, ...]], time: str) -> Columns | None:
        if not rows:
            return None
        times, cards, rssi_dbm, sides = zip(*rows, strict=True)
        columns: Columns = {
            time: np.array(times, np.int64),
            "card": np.array(cards, dtype=object),
            "rssi_dbm": np.array(rssi_dbm, np.float64),
        }
        if self._sides:
            columns["side"] = np.array(sides, np.int64)
        return columns


def card_of(epc: bytes, rule: Epc) -> str:
    """The card's id in an EPC."""
    part = epc[-rule.last_bytes :]
    if rule.form == "hex":
        return part.hex().upper()
    if rule.form == "decimal":
        return str(int.from_bytes(part, "big")).zfill(rule.digits)
    return part.decode("ascii", "replace").strip("\0 ")


@dataclass(slots=True)
class Event:
    """What a READER_EVENT_NOTIFICATION says; None and empty where it does not."""

    t_ns: int | None = None
    #: How a connection was taken: 0 is success.
    attempt: int | None = None
    closed: bool = False
    #: Why records may be missing.
    lost: list[str] = field(default_factory=list)


def event_of(body: bytes) -> Event:
    """Reads an event. Raises NonsenseError."""
    event = Event()
    for outer in wire.parameters(body):
        if outer.kind != wire.EVENT_NOTIFICATION_DATA:
            continue
        for kind, data in wire.parameters(outer.body):
            if kind == wire.UTC_TIMESTAMP:
                event.t_ns = min(wire.number(data, 0, 8), _T_US_MOST) * 1000
            elif kind == wire.CONNECTION_ATTEMPT:
                event.attempt = wire.number(data, 0, 2)
            elif kind == wire.CONNECTION_CLOSE:
                event.closed = True
            elif kind == wire.BUFFER_OVERFLOW:
                event.lost.append("the reader's buffer of reports was full")
            elif kind == wire.READER_EXCEPTION:
                size = wire.number(data, 0, 2)
                text = data[2 : 2 + size].decode("utf-8", "replace")
                event.lost.append(f"the reader has an exception: {text!r}")
            elif kind == wire.ANTENNA_EVENT and wire.number(data, 0, 1) == 0:
                antenna = wire.number(data, 1, 2)
                event.lost.append(f"antenna {antenna} was disconnected: it sees nothing")
    return event
