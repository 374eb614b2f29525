"""The mine of `bench/streams.py`, and what sends its ranges: run as a program, all its readers.

Parallel roadways of 1 km with an anchor every 50 m; as many people in each, who go to and fro
within some metres at their workplaces. In each is a restricted zone, over the border of which some
go in and out all the time. Four concentrators send lines of text in datagrams (UDP), each from an
address of its own, ten times a second: a line has one person's ranges to the two anchors beside
them, and the time at which it is sent, and each person has one line a second.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROADWAYS: Final = 20
LENGTH_M: Final = 1000.0
APART_M: Final = 100.0
ANCHOR_EVERY_M: Final = 50.0
READERS: Final = 4
CYCLE_S: Final = 0.1
#: The restricted zone's begin and end, and how far around them nobody works.
ZONE_M: Final = (480.0, 560.0)
CLEAR_M: Final = 40.0
#: Those who cross the border: 6 m to both sides of it, at 1.5 m/s.
CROSSERS: Final = 16
CROSS_M: Final = 6.0
CROSS_M_S: Final = 1.5
#: Anchors in each line: the next one on either side.
HEARD: Final = 2
WORKPLACE_M: Final = 10.0
WORK_M_S: Final = 0.4
NOISE_M: Final = 0.1
DATAGRAM_BYTES: Final = 1400
FIRST_CARD: Final = 14_010_000_000_000_000

MINE: Final = """
[mine]
code = "620000000001"
name = "Streams"

[alarm.restricted_entry]
level = 1
"""
PROFILE: Final = """
id = "streams_reader"
title = { en = "Reader of ranges", zh = "定位分站" }
kind = "uwb_reader"
protocol = "text"
line_bytes = 256

[scan]
period_s = 0.1
silence_s = 5.0

[[line]]
name = "ranges"
starts_with = "#RNG,"
width = 4
groups = { first = 4, width = 2 }

[[line.field]]
name = "sequence"
at = 1
type = "integer"
modulo = 4294967296

[[line.field]]
name = "t_us"
at = 2
type = "time"
unit = "us"

[[line.field]]
name = "card"
at = 3
type = "text"

[[line.field]]
name = "anchor"
at = 4
type = "text"

[[line.field]]
name = "range_m"
at = 5
type = "integer"
scale = 0.001
unit = "m"
"""
DEVICE: Final = """
[[device]]
id = "reader_{n}"
profile = "streams_reader"
transport = "udp"
bind = "127.0.0.1"
host = "{host}"
port = {port}
"""


def host_of(reader: int) -> str:
    """The address from which a reader sends."""
    return f"127.0.1.{reader + 1}"


def card_of(n: int) -> str:
    """The number of card `n`."""
    return str(FIRST_CARD + n)


def write_folder(folder: Path, cards: int, port: int) -> None:
    """The mine's configuration."""
    (folder / "profiles").mkdir(parents=True)
    (folder / "mine.toml").write_text(MINE)
    rows = (f"{card_of(n)},p{n},miner,team-{n % 20}\n" for n in range(cards))
    (folder / "people.csv").write_text("card,name,job,team\n" + "".join(rows))
    (folder / "map.geojson").write_text(json.dumps(_map()))
    (folder / "profiles/streams_reader.toml").write_text(PROFILE, encoding="utf-8")
    devices = (DEVICE.format(n=n, host=host_of(n), port=port) for n in range(READERS))
    (folder / "devices.toml").write_text("".join(devices))


def _map() -> dict[str, object]:
    features: list[dict[str, object]] = []

    def add(kind: str, shape: str, at: object, **more: object) -> None:
        geometry = {"type": shape, "coordinates": at}
        properties = {"kind": kind, **more}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})

    for road in range(ROADWAYS):
        y_m, name = road * APART_M, f"r{road}"
        line = [[0, y_m, -400], [LENGTH_M, y_m, -400]]
        add("roadway", "LineString", line, id=name, name=name, width_m=5.0)
        for n in range(round(LENGTH_M / ANCHOR_EVERY_M) + 1):
            add("anchor", "Point", [n * ANCHOR_EVERY_M, y_m, -398], id=f"A{road}.{n}")
        x0, x1 = ZONE_M
        ring = [[x0, y_m - 9], [x1, y_m - 9], [x1, y_m + 9], [x0, y_m + 9], [x0, y_m - 9]]
        add("zone", "Polygon", [ring], id=f"z{road}", name=f"z{road}", zone="restricted")
    return {"type": "FeatureCollection", "features": features}


class Crowd:
    """Where everyone is at a time, and their ranges."""

    def __init__(self, cards: int) -> None:
        rng = self._rng = np.random.default_rng(1)
        self._road = np.arange(cards) % ROADWAYS
        low_m, high_m = ZONE_M[0] - CLEAR_M, ZONE_M[1] + CLEAR_M
        place_m = rng.uniform(WORKPLACE_M, LENGTH_M - (high_m - low_m) - 2 * WORKPLACE_M, cards)
        place_m += np.where(place_m > low_m - WORKPLACE_M, high_m - low_m + WORKPLACE_M, 0.0)
        crosses = np.arange(cards) < CROSSERS
        self._from_m = np.where(crosses, ZONE_M[0] - CROSS_M, place_m)
        self._far_m = np.where(crosses, 2 * CROSS_M, WORKPLACE_M)
        self._speed_m_s = np.where(crosses, CROSS_M_S, rng.uniform(0.0, WORK_M_S, cards))
        self._begun_m = rng.uniform(0.0, 2 * self._far_m)

    def lines(self, who: NDArray[np.intp], t_s: float) -> list[str]:
        """What follows the time in the line of each of `who` (n,)."""
        way_m = self._begun_m[who] + self._speed_m_s[who] * t_s
        far_m = self._far_m[who]
        s_m = self._from_m[who] + far_m - np.abs(far_m - way_m % (2 * far_m))
        anchors = np.floor(s_m / ANCHOR_EVERY_M).astype(int)[:, None] + np.arange(HEARD)
        apart_m = anchors * ANCHOR_EVERY_M - s_m[:, None]
        ranges_m = np.hypot(apart_m, 1.0) + self._rng.normal(0.0, NOISE_M, apart_m.shape)
        rows = zip(
            who.tolist(),
            self._road[who].tolist(),
            anchors.tolist(),
            np.rint(np.abs(ranges_m) * 1000).astype(int).tolist(),
            strict=True,
        )
        return [
            f",{FIRST_CARD + n},"
            + ",".join(f"A{road}.{a},{mm}" for a, mm in zip(near, heard, strict=True))
            for n, road, near, heard in rows
        ]


def send(cards: int, port: int) -> None:
    """Sends for ever: what one of the readers has heard, then what the next one has."""
    crowd = Crowd(cards)
    sockets = []
    for reader in range(READERS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host_of(reader), 0))
        sock.connect(("127.0.0.1", port))
        sockets.append(sock)
    sequences = [0] * READERS
    cycles = round(1 / CYCLE_S)
    everyone = np.arange(cards)
    begun_s, turn = time.monotonic(), 0
    while True:
        due_s = begun_s + turn * CYCLE_S / READERS
        time.sleep(max(0.0, due_s - time.monotonic()))
        reader, cycle = turn % READERS, turn // READERS % cycles
        who = everyone[(everyone % READERS == reader) & (everyone // READERS % cycles == cycle)]
        turn += 1
        waiting = b""
        # Each line has the time of now: from here to the client is what is measured.
        for line in crowd.lines(who, time.monotonic() - begun_s):
            text = f"#RNG,{sequences[reader]},{time.time_ns() // 1000}{line}\n".encode()
            sequences[reader] += 1
            if len(waiting) + len(text) > DATAGRAM_BYTES:
                _send(sockets[reader], waiting)
                waiting = b""
            waiting += text
        _send(sockets[reader], waiting)


def _send(sock: socket.socket, datagram: bytes) -> None:
    try:
        sock.send(datagram)
    except ConnectionRefusedError:
        return  # the gateway does not listen yet


if __name__ == "__main__":
    send(int(sys.argv[1]), int(sys.argv[2]))
