"""Lines become records and values; what is malformed is refused with its reason."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.report import Quality
from hil_sim.lines import LineWriter
from protocols.losses import Loss
from protocols.text.format import UNKNOWN, Format, Read
from protocols.text.kind import BEFORE
from protocols.text.samples import samples_of
from protocols.text.sequence import MISSING
from tests.protocols.text_profiles import KEYED, RANGE, T_US, profile, range_line, shipped, summed

DIST = (
    b"DIST,4,AN0,022E,7.94,8.03,0.00,3.44,AN1,9280,7.95,0.00,0.00,5.68,AN2,DCAE,0.00,8.03,0.00,"
    b"7.76,AN3,5431,0.00,0.00,0.00,8.73,POS,6.95,5.37,-1.97,52"
)


def columns_of(read: Read) -> dict[str, list[object]]:
    ((_, _, found),) = read.found
    return {name: column.tolist() for name, column in found.columns.items()}


def reasons(read: Read) -> dict[int, str]:
    return {one.line: one.reason for one in read.refusals}


def test_ranges_of_the_profile_that_comes_along() -> None:
    read = Format(shipped()).read([range_line(1), range_line(2, 12_001)], 0.0)
    columns = columns_of(read)
    assert columns.pop("first_path_dbm") == pytest.approx([math.nan] * 2, nan_ok=True)
    assert columns == {
        "sequence": [1, 2],
        "t_us": [T_US + 1000, T_US + 2000],
        "card": ["14010000000100001"] * 2,
        "anchor": ["A12"] * 2,
        "range_m": [8.734, pytest.approx(12.001)],
        "rssi_dbm": [-78.4] * 2,
        "flags": [1, 1],
    }
    assert (read.alive, read.refusals) == (True, [])


def test_groups_are_records() -> None:
    read = Format(shipped("uwb_dwm1001")).read([DIST, DIST.partition(b",POS")[0], b"DIST,0"], 0.0)
    assert columns_of(read) == {
        "anchor": ["022E", "9280", "DCAE", "5431"] * 2,
        "range_m": [3.44, 5.68, 7.76, 8.73] * 2,
    }
    ((_, _, found),) = read.found
    assert found.of_line.tolist() == [0] * 4 + [1] * 4
    assert found.kept.tolist() == [0, 1, 2]
    assert read.refusals == []


def test_groups_without_a_number_go_to_the_end() -> None:
    text = RANGE.replace("width = 4", "width = 2\ngroups = { first = 2, width = 2 }")
    form = Format(profile(text))
    read = form.read([b"R,1401,A,1.5,B,2.5", b"R,1402,C,3", b"R,1403", b"R,1404,D", b"R"], 0.0)
    assert columns_of(read) == {
        "card": ["1401", "1401", "1402"],
        "anchor": ["A", "B", "C"],
        "range_m": [1.5, 2.5, 3.0],
    }
    assert reasons(read) == {3: "a wrong number of fields (not 2 and groups of 2)", 4: UNKNOWN}


@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=6), same=st.booleans())
def test_lines_are_cut_alike_at_once_and_one_by_one(*, counts: list[int], same: bool) -> None:
    """At once where all have as many groups; `same` has that come often."""
    text = RANGE.replace("width = 4", "width = 2\ngroups = { first = 2, width = 2 }")
    counts = [counts[0]] * len(counts) if same else counts
    lines = [
        ",".join([f"R,{n}", *(f"A{k},{1000 * n + k}" for k in range(count))]).encode()
        for n, count in enumerate(counts)
    ]
    together = Format(profile(text)).read(lines, 0.0)
    alone: dict[str, list[object]] = {}
    for line in lines:
        for name, column in columns_of(Format(profile(text)).read([line], 0.0)).items():
            alone.setdefault(name, []).extend(column)
    assert columns_of(together) == alone
    assert together.refusals == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (DIST + b",7", "a wrong number of fields (not 2 to 7 and groups of 6)"),
        (DIST.replace(b"DIST,4", b"DIST,5"), "a wrong number of fields (not 2 to 7 and group"),
        (DIST.replace(b"DIST,4", b"DIST,four"), "how many groups they have is no number"),
        (DIST.replace(b"DIST,4", b"DIST,99999999999"), "a wrong number of fields"),
        (DIST.replace(b"5.68", b"5,68"), "a wrong number of fields"),
        (DIST.replace(b"5.68", b"5.6.8"), "range_m is not a number"),
        (DIST.replace(b"5.68", b"nan"), "range_m is not finite"),
        (b"DIST", UNKNOWN),
        (b"DIST,", "how many groups they have is no number"),
    ],
)
def test_a_line_of_groups_is_refused_as_a_whole(line: bytes, reason: str) -> None:
    read = Format(shipped("uwb_dwm1001")).read([DIST, line, DIST], 0.0)
    assert reasons(read)[1].startswith(reason)
    assert len(read.refusals) == 1
    assert len(columns_of(read)["anchor"]) == 8


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (range_line(2)[:-1] + b"!", "no checksum"),
        (range_line(2)[:-3], "no checksum"),
        (range_line(2).replace(b"8734", b"8735"), "a wrong checksum"),
        (
            summed("#RNG,2,1764500000000000,1401,A12,8734,-78.4,"),
            "a wrong number of fields (not 9)",
        ),
        (summed("#RNG,2,1764500000000000,1401,A12,x,-78.4,,0"), "range_m is not a whole number"),
        (summed("#RNG,2,yesterday,1401,A12,8734,-78.4,,0"), "t_us is not a whole number"),
        (summed("#RNG,2,-7,1401,A12,8734,-78.4,,0"), "t_us is no time that can be true"),
        (summed("#RNG,2,1764500000000000,1401,矿,8734,-78.4,,0"), "not ASCII text"),
        (b"#RNGS,1", UNKNOWN),
        (b"\xff\xfe\x00", UNKNOWN),
        (range_line(1), BEFORE),
    ],
)
def test_what_is_malformed_is_refused_and_costs_no_other_line(line: bytes, reason: str) -> None:
    form = Format(shipped())
    read = form.read([range_line(1), line, range_line(3)], 0.0)
    assert reasons(read)[1].startswith(reason)
    assert len(read.refusals) == 1
    assert columns_of(read)["sequence"] == [1, 3]


def test_a_line_that_is_wrong_but_for_its_number_has_come() -> None:
    form = Format(shipped())
    wrong = summed("#RNG,2,1764500000000000,1401,A12,x,-78.4,,0")
    form.read([range_line(1), wrong, range_line(3)], 0.0)
    assert form.losses(100.0) == []
    form.read([range_line(7)], 200.0)
    assert form.losses(300.0) == [Loss(3, MISSING)]


def test_signs_of_life_are_no_data() -> None:
    form = Format(shipped())
    for line in (b"", b"  ", b"#VER fw=1.6"):
        read = form.read([line], 0.0)
        assert (read.alive, read.found, read.refusals) == (True, [], [])
    assert not form.read([b"garbage"], 0.0).alive
    assert not form.read([range_line(1)[:-1]], 0.0).alive


def test_fields_with_keys_are_found_wherever_they_stand() -> None:
    form = Format(profile(KEYED, "machine"))
    lines = [
        b"#POS x=10352 y=2768 z=1008 sl=7 fom=50 op=UWB,2D,E ts=45376",
        b"#POS op=IMU y=1 x=ERR",
        b"#POS y=2768 z=1008 op=UWB",
        b"#POS x=1 x=2 op=UWB",
    ]
    read = form.read(lines, 0.0)
    assert reasons(read) == {2: "no field x=", 3: "a key twice"}
    ((_, _, found),) = read.found
    samples = samples_of("kit", found, 5)
    assert [(one.point, one.value, one.quality.name) for one in samples] == [
        ("x", pytest.approx(10.352), "GOOD"),
        ("quality", 50.0, "GOOD"),
        ("options", "UWB,2D,E", "GOOD"),
        ("x", None, "BAD"),
        ("quality", None, "BAD"),
        ("options", "IMU", "GOOD"),
    ]
    assert samples[3].reason == "what it gives is not a number"
    assert samples[4].reason == "the device gives no value"
    assert {one.source_t_ns for one in samples} == {None}


def test_lines_of_several_kinds_keep_their_places() -> None:
    named = KEYED.replace("key =", 'line = "position"\nkey =')
    form = Format(profile(RANGE + named))
    read = form.read([b"#POS x=1 y=2 op=a", b"R,1,A,2.5", b"?", b"R,2,B,-"], 0.0)
    places = {number: list(positions) for number, positions, _ in read.found}
    assert places == {0: [1, 3], 1: [0]}
    assert reasons(read) == {2: UNKNOWN}


PIECES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([range_line(5), DIST, b"R,1,A,2.5", b"#POS x=1 y=2 op=a", b"#RNG,", b"DIST,"]),
    st.integers(0, 9).map(range_line),
    st.lists(st.sampled_from([b"R", b"#RNG", b"DIST", b",", b"=", b"*", b"1", b"\xff"])).map(
        b"".join
    ),
)
FORMS = {
    "shipped": shipped(),
    "groups": shipped("uwb_dwm1001"),
    "plain": profile(RANGE.replace('starts_with = "R,"\n', "")),
    "keyed": profile(KEYED, "machine"),
}


@settings(deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.lists(PIECES, max_size=8))
def test_any_bytes_are_read_and_all_that_is_good_is_true(name: str, lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"").replace(b"\r", b"") for line in lines]
    read = Format(FORMS[name]).read(lines, 0.0)
    kept = [positions[at] for _, positions, found in read.found for at in found.kept.tolist()]
    refused = [one.line for one in read.refusals]
    assert len(set(kept) | set(refused)) == len(kept) + len(refused) <= len(lines)
    for _, _, found in read.found:
        for column in found.columns.values():
            assert len(column) == len(found.of_line)
            if column.dtype.kind == "f":
                assert not np.isinf(column).any()
        for one in samples_of("kit", found, 0):
            assert (one.value is None) == (one.quality is not Quality.GOOD)


@settings(deadline=None)
@given(st.sampled_from(["shipped", "groups", "plain"]), st.lists(PIECES, max_size=8))
def test_lines_together_give_what_each_gives_alone(name: str, lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"").replace(b"\r", b"") for line in lines]
    together, alone = Format(FORMS[name]), Format(FORMS[name])
    all_at_once = together.read(lines, 0.0)
    one_by_one = [alone.read([line], 0.0) for line in lines]
    assert reasons(all_at_once) == {
        at: one.reason for at, read in enumerate(one_by_one) for one in read.refusals
    }
    assert all_at_once.alive == any(read.alive for read in one_by_one)

    def rows(reads: list[Read]) -> list[tuple[str, ...]]:
        found = [one for read in reads for *_, one in read.found if len(one.of_line)]
        return [row for one in found for row in zip(*map(texts, one.columns.values()), strict=True)]

    def texts(column: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> list[str]:
        return [repr(value) for value in column.tolist()]

    assert rows([all_at_once]) == rows(one_by_one)


RANGES = st.lists(
    st.tuples(
        st.integers(1, 10**15),
        st.sampled_from(["1401", "1402"]),
        st.sampled_from(["A", "B"]),
        st.integers(0, 2_000_000).map(lambda mm: mm / 1000),
        st.one_of(st.just(math.nan), st.floats(-120, 0).map(lambda dbm: round(dbm, 2))),
        st.integers(0, 3),
    ),
    max_size=12,
)


@pytest.mark.parametrize("checksum", ["xor", "crc16_modbus", "crc16_ccitt", None])
@settings(deadline=None)
@given(RANGES)
def test_what_is_written_is_read(
    checksum: str | None, ranges: list[tuple[int, str, str, float, float, int]]
) -> None:
    given_keys = shipped().model_dump(exclude_none=True)
    line = given_keys["line"][0]
    line["checksum"] = {"kind": checksum, "mark": ";"} if checksum else None
    made = type(shipped()).model_validate(given_keys)
    names = ("t_us", "card", "anchor", "range_m", "rssi_dbm", "flags")
    sent: dict[str, list[Any]] = {
        name: [row[at] for row in ranges] for at, name in enumerate(names)
    }
    lines = LineWriter(made).write(sent)
    read = Format(made).read([line.rstrip() for line in lines], 0.0)
    assert read.refusals == []
    if ranges:
        got = columns_of(read)
        assert got["sequence"] == list(range(len(ranges)))
        for name in names:
            assert got[name] == pytest.approx(sent[name], abs=1e-9, nan_ok=True)
