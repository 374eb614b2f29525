"""What kept positions cost: bytes, the time to write them, and the time to find them again.

    ./run bench journal [CARDS] [HOURS]

8,000 cards walk along 120 km of oblique and inclined roadways and are ranged by their four nearest
anchors once a second, a third of them on the way, the others to and fro at work; the positions are
those that the gateway's own locator finds of these ranges. Four minutes of them are written by the
gateway's writer, second by second, as four fixes of each card a second, of which it keeps the
newest; then the file is compacted. Its blocks are what a day is made of: the same blocks, with
other times, in a compacted file of each hour, all of full size. In it one card's 24 hours and
everyone at an instant are looked for by a reader that has seen none of it. The rivals are given
the same rows: a row each in SQLite with an index by card and time, and a frame of each second,
its columns compressed by zlib. The last line is JSON: `bytes_per_position`, `track_24h_s`,
`everyone_at_ms` (compacted, median of instants; `everyone_at_live_ms` in the running hour), each
by the clock, and with `_cpu_` of the processor, which is what a machine that is busy tells;
`append_ms` (a second of all cards, median), `append_max_ms` (with the blocks of 40 s),
`write_cpu_pct` and `compact_cpu_pct` of a core while 8,000 cards walk, and the rivals' figures.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

import numpy as np

from bench.step import ON_THE_WAY, Crowd, big_map, plan_of
from gateway.journal.tracks.blocks import thinned
from gateway.journal.tracks.chunks import (
    Chunk,
    ChunkKind,
    pack_chunk,
    pack_file_header,
    unpack_chunk,
)
from gateway.journal.tracks.compaction import compact
from gateway.journal.tracks.index import (
    chunk_of,
    pack_index,
    pack_trailer,
    row_of,
    rows_of_chunks,
)
from gateway.journal.tracks.places import COMPACTED, HOUR_MS, new_place, places_in
from gateway.journal.tracks.reader import TracksReader
from gateway.journal.tracks.rows import KEPT
from gateway.journal.tracks.track_file import TrackFile
from gateway.journal.tracks.writer import Writer
from positioning.locator import Locator
from positioning.mine_map import MineMap
from positioning.observation import IdTable, Records

Floats = np.typing.NDArray[np.float64]

WARM_UP_S: Final = 15
SECONDS: Final = 240
TURN: Final = np.radians(17.0)
INSTANTS: Final = 20
T0_MS: Final = 1_800_000_000_000
#: How unevenly a card is ranged, ms.
JITTER_MS: Final = 8
#: Of rows that the rivals are given: their sizes and times do not change with more.
RIVAL_SECONDS: Final = 60
FIRST_CARD: Final = 100_000_000


def oblique(mine_map: MineMap) -> MineMap:
    """The map turned and tilted, so that no coordinate is constant along a roadway."""

    def turned(points_m: Floats) -> Floats:
        x_m, y_m, z_m = points_m.T
        return np.column_stack(
            [
                x_m * np.cos(TURN) - y_m * np.sin(TURN),
                x_m * np.sin(TURN) + y_m * np.cos(TURN),
                z_m + 0.03 * x_m - 0.02 * y_m,
            ]
        )

    roads = [replace(one, centreline_m=turned(one.centreline_m)) for one in mine_map.roadways]
    places = turned(np.array([(one.x_m, one.y_m, one.z_m) for one in mine_map.anchors]))
    anchors = [
        replace(one, x_m=float(x), y_m=float(y), z_m=float(z))
        for one, (x, y, z) in zip(mine_map.anchors, places, strict=True)
    ]
    return MineMap(tuple(roads), tuple(anchors), (), ())


def walked(mine_map: MineMap, cards: int) -> Iterator[Records]:
    """The fixes of each second, as the gateway's locator finds them."""
    plan = plan_of(mine_map, cards)
    crowd = Crowd(mine_map, cards, ON_THE_WAY)
    locator = Locator(oblique(mine_map), plan.card_height_m, plan.tracker)
    table = IdTable(tuple(str(FIRST_CARD + n) for n in range(cards)))
    rng = np.random.default_rng(3)
    for second in range(WARM_UP_S + SECONDS):
        fixes = np.concatenate([locator.locate(one) for one in crowd.second(second, 0, table)])
        fixes["t_ns"] += rng.integers(0, JITTER_MS, cards)[fixes["card"]] * 1_000_000
        if second >= WARM_UP_S:
            yield fixes


def write(folder: Path, cards: int) -> tuple[dict[str, float], Records]:
    """Writes as the gateway does; what it cost, and the rows that are kept."""
    mine_map = big_map()
    roads = tuple(one.id for one in mine_map.roadways)
    table = IdTable(tuple(str(FIRST_CARD + n) for n in range(cards)))
    writer, took_ms, given = Writer(folder), [], []
    spent_cpu_s = 0.0
    for second, fixes in enumerate(walked(mine_map, cards), WARM_UP_S):
        now_ms = T0_MS + (second + 1) * 1000
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        rows = writer.rows_of(fixes, table, roads, now_ms * 1_000_000)
        writer.write(rows, now_ms)
        spent_cpu_s += time.process_time() - begun_cpu_s
        took_ms.append(1000 * (time.perf_counter() - begun_s))
        given.append(rows)
    with closing(TracksReader(folder)) as reader:
        begin_ms = T0_MS + (WARM_UP_S + 1) * 1000
        live_ms, live_cpu_ms = everyone_ms(reader, begin_ms, (SECONDS - 2) * 1000)
    writer.end(T0_MS + (WARM_UP_S + SECONDS) * 1000)
    (live,) = places_in(folder)
    begun_cpu_s = time.process_time()
    compact(live, lambda: None)
    compact_cpu_s = time.process_time() - begun_cpu_s
    kept = thinned(np.concatenate(given))
    (done,) = places_in(folder)
    return {
        "append_ms": float(np.median(took_ms)),
        "append_max_ms": max(took_ms),
        "write_cpu_pct": 100 * spent_cpu_s / SECONDS,
        "compact_cpu_pct": 100 * compact_cpu_s / SECONDS,
        "bytes_per_position": done.path.stat().st_size / len(kept),
        "everyone_at_live_ms": live_ms,
        "everyone_at_live_cpu_ms": live_cpu_ms,
    }, kept


def make_day(folder: Path, hours: int) -> int:
    """Compacted files of so many hours, of the blocks of the one that is there; positions."""
    (model,) = places_in(folder)
    with closing(TrackFile.open(model)) as file:
        chunks = [(chunk_of(row), file.payload(row)) for row in file.table]
    for hour in range(hours):
        place = new_place(folder, hour + 2, T0_MS + hour * HOUR_MS)
        with place.path.with_suffix(COMPACTED).open("wb") as out:
            _write_hour(out, hour, chunks)
    model.path.unlink()
    of_model = sum(chunk.rows for chunk, _ in chunks if chunk.kind == ChunkKind.BLOCK)
    return of_model * hours * (HOUR_MS // (SECONDS * 1000))


def _write_hour(out: BinaryIO, hour: int, chunks: list[tuple[Chunk, bytes]]) -> None:
    begin_ms = T0_MS + hour * HOUR_MS
    table, at = [], out.write(pack_file_header(hour, begin_ms))
    for turn in range(HOUR_MS // (SECONDS * 1000)):
        shift_ms = hour * HOUR_MS + (turn * SECONDS - WARM_UP_S) * 1000
        for chunk, payload in chunks:
            if chunk.kind == ChunkKind.NAMES and turn:
                continue
            data = pack_chunk(
                hour,
                chunk.kind,
                payload,
                chunk.record_ms + shift_ms,
                rows=chunk.rows,
                cards=(chunk.first_card, chunk.last_card),
                times_ms=(chunk.first_ms + shift_ms, chunk.last_ms + shift_ms),
            )
            shifted = unpack_chunk(hour, data, at)
            assert shifted
            table.append(row_of(shifted))
            at += out.write(data)
    out.write(pack_chunk(hour, ChunkKind.INDEX, pack_index(rows_of_chunks(table)), begin_ms))
    out.write(pack_trailer(hour, at, (begin_ms, begin_ms + HOUR_MS, begin_ms, begin_ms + HOUR_MS)))


def everyone_ms(reader: TracksReader, start_ms: int, length_ms: int) -> tuple[float, float]:
    """Times to find everyone at an instant, by the clock and of the processor: medians.

    The better of two turns each, as machines are busy.
    """
    instants = np.random.default_rng(5).integers(start_ms, start_ms + length_ms, INSTANTS)
    took = [min(timed(partial(reader.at, int(t_ms))) for _ in range(2)) for t_ms in instants]
    by_clock, of_processor = np.median(np.array(took), axis=0).tolist()
    return 1000 * by_clock, 1000 * of_processor


def track_s(folder: Path, hours: int) -> tuple[float, float]:
    """How long one card's rows of all hours take a reader that knows no file; best of three."""

    def read() -> None:
        found = 0
        with closing(TracksReader(folder)) as reader:
            for hour in range(hours):
                begin_ms = T0_MS + hour * HOUR_MS
                rows = reader.between(begin_ms, begin_ms + HOUR_MS, str(FIRST_CARD + 997))
                found += len(rows.rows)
        assert found == 3600 * hours

    return min(timed(read) for _ in range(3))


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begun_s, time.process_time() - begun_cpu_s


def sqlite_rival(folder: Path, rows: Records) -> dict[str, float]:
    """A row each, a transaction each second, `synchronous=FULL`, and an index by card and time."""
    file = folder / "rival.sqlite3"
    base = sqlite3.connect(file, isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    names = KEPT.names or ()
    base.execute(f"CREATE TABLE fix ({', '.join(names)}, PRIMARY KEY (card, t_ms)) WITHOUT ROWID")
    insert = f"INSERT INTO fix VALUES ({', '.join('?' * len(names))})"
    took_ms = []
    seconds = rows["t_ms"] // 1000
    for second in np.unique(seconds)[:RIVAL_SECONDS]:
        part = rows[seconds == second].tolist()
        begun_s = time.perf_counter()
        base.execute("BEGIN")
        base.executemany(insert, part)
        base.execute("COMMIT")
        took_ms.append(1000 * (time.perf_counter() - begun_s))
    (count,) = base.execute("SELECT count(*) FROM fix").fetchone()
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    size = file.stat().st_size
    file.unlink()
    return {
        "sqlite_bytes_per_position": size / count,
        "sqlite_append_ms": float(np.median(took_ms)),
    }


def zlib_rival(rows: Records) -> dict[str, float]:
    """A frame of each second, its columns one after the other."""
    seconds = rows["t_ms"] // 1000
    size = count = 0
    for second in np.unique(seconds)[:RIVAL_SECONDS]:
        part = rows[seconds == second]
        columns = b"".join(part[name].tobytes() for name in KEPT.names or ())
        size += len(zlib.compress(columns, 6))
        count += len(part)
    return {"zlib_frame_bytes_per_position": size / count}


def main(cards: int, hours: int) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result, rows = write(folder, cards)
        result |= sqlite_rival(folder, rows)
        result |= zlib_rival(rows)
        positions = make_day(folder, hours)
        size = sum(place.path.stat().st_size for place in places_in(folder))
        result["day_bytes_per_position"] = size / positions
        result["track_24h_s"], result["track_24h_cpu_s"] = track_s(folder, hours)
        with closing(TracksReader(folder)) as reader:
            begin_ms, length_ms = T0_MS + SECONDS * 1000, hours * HOUR_MS - SECONDS * 1000
            found = everyone_ms(reader, begin_ms, length_ms)
            result["everyone_at_ms"], result["everyone_at_cpu_ms"] = found
    print(f"{cards:,} cards, {hours} h: {positions:,} positions in {size / 1e9:.2f} GB")
    for key, value in result.items():
        print(f"{key:32} {value:10.3f}")
    own = result["bytes_per_position"]
    for rival in ("sqlite", "zlib_frame"):
        result[f"{rival}_bytes_ratio"] = result[f"{rival}_bytes_per_position"] / own
    result["sqlite_append_ratio"] = result["sqlite_append_ms"] / result["append_ms"]
    print(
        f"bytes: SQLite {result['sqlite_bytes_ratio']:.1f}, zlib'd frames"
        f" {result['zlib_frame_bytes_ratio']:.1f} times as many; appending a second: SQLite"
        f" {result['sqlite_append_ratio']:.1f} times as long"
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main(*(int(one) for one in (*sys.argv[1:], *("8000", "24")[len(sys.argv) - 1 :])))
