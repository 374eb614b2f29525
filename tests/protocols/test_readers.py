"""Records become ranges and sightings; what can't be used is refused with its reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.report import RecordBatch
from positioning.observation import RANGE, SIGHTING, IdTable
from protocols.readers import is_card_id, ranges_of, sightings_of

T_US = 1_700_000_000_123_456


def batch(
    cards: list[str],
    anchors: list[str] | None = None,
    t_us: list[int] | None = None,
    **more: list[float],
) -> RecordBatch:
    columns = {
        "sequence": np.arange(1, len(cards) + 1),
        "t_us": np.array(t_us or [T_US] * len(cards), np.int64),
        "card": np.array(cards, dtype=object),
    }
    if anchors is not None:
        columns["anchor"] = np.array(anchors, dtype=object)
    columns |= {name: np.array(values, np.float64) for name, values in more.items()}
    return RecordBatch("r1", columns, 0)


def test_ranges() -> None:
    cards, anchors = IdTable(("100",)), IdTable(("A1", "A2"))
    ranges, refusals, _ = ranges_of(
        batch(
            ["200", "100", "200"],
            ["A2", "A1", "A1"],
            t_us=[T_US, T_US + 1, T_US + 2],
            range_m=[1.5, 2.5, np.nan],
            rssi_dbm=[-70.0, np.nan, -71.0],
            first_path_dbm=[-72.0, -73.0, np.nan],
        ),
        cards,
        anchors,
    )
    assert ranges.dtype == RANGE
    assert refusals == []
    assert [cards.name(card) for card in ranges["card"]] == ["200", "100", "200"]
    assert ranges["anchor"].tolist() == [1, 0, 0]
    assert ranges["t_ns"].tolist() == [T_US * 1000, T_US * 1000 + 1000, T_US * 1000 + 2000]
    assert ranges["range_m"].tolist()[:2] == [1.5, 2.5]
    assert np.isnan(ranges["range_m"][2])
    assert np.isnan(ranges["rssi_dbm"][1])
    assert ranges["first_path_dbm"][0] == -72.0


@pytest.mark.parametrize("range_m", [-0.1, 2000.1, np.inf, -np.inf])
def test_a_distance_that_can_not_be_true_is_told_and_its_card_was_heard(range_m: float) -> None:
    ranges, refusals, _ = ranges_of(
        batch(["1", "2"], ["A", "A"], range_m=[range_m, 2000.0]), IdTable(), IdTable(("A",))
    )
    assert refusals == [(f"no distance that can be true (0 to 2000 m): {range_m:g} m", 1)]
    assert np.isnan(ranges["range_m"]).tolist() == [True, False]


def test_sightings() -> None:
    cards = IdTable()
    sightings, refusals, _ = sightings_of(batch(["7", "8"], rssi_dbm=[-60.0, np.nan]), 3, cards)
    assert sightings.dtype == SIGHTING
    assert refusals == []
    assert [cards.name(card) for card in sightings["card"]] == ["7", "8"]
    assert sightings["reader"].tolist() == [3, 3]
    assert np.isnan(sightings["rssi_dbm"][1])


def test_a_directional_reader_tells_the_side() -> None:
    given = batch(["1", "2", "3", "4"], side=[0, 1, 2, np.nan])
    sightings, refusals, _ = sightings_of(given, 0, IdTable())
    assert sightings["side"].tolist() == [0, 1, -1, 0]
    assert refusals == []


def test_a_side_that_there_is_not_is_told_and_its_card_was_seen() -> None:
    sightings, refusals, _ = sightings_of(batch(["1", "2", "3"], side=[7, 2, -1]), 0, IdTable())
    assert sightings["side"].tolist() == [0, -1, 0]
    assert refusals == [("no side that there is (0 unknown, 1 ahead, 2 behind): 7", 2)]


def test_a_reader_that_tells_no_side_is_taken() -> None:
    sightings, _, _ = sightings_of(batch(["1"]), 0, IdTable())
    assert sightings["side"].tolist() == [0]


def test_signal_strengths_that_a_reader_does_not_give_are_unknown() -> None:
    ranges, _, _ = ranges_of(batch(["1"], ["A"], range_m=[1.0]), IdTable(), IdTable(("A",)))
    assert np.isnan(ranges["rssi_dbm"][0])
    assert np.isnan(ranges["first_path_dbm"][0])
    sightings, _, _ = sightings_of(batch(["1"]), 0, IdTable())
    assert np.isnan(sightings["rssi_dbm"][0])


def test_unknown_anchors_are_named_and_counted_and_the_rest_is_kept() -> None:
    cards, anchors = IdTable(), IdTable(("A1",))
    given = batch(["1", "2", "3", "4"], ["A1", "B9", "B9", "C7"], range_m=[1.0] * 4)
    ranges, refusals, _ = ranges_of(given, cards, anchors)
    assert refusals == [("this anchor is not on the map: 'B9', 'C7'", 3)]
    assert [cards.name(card) for card in ranges["card"]] == ["1"]
    assert len(anchors) == 1
    # A card that only unknown anchors hear takes no handle.
    assert cards.names() == ("1",)


def test_many_names_are_shown_as_a_few() -> None:
    names = [f"B{n}" for n in range(9)]
    given = batch(["1"] * 9, names, range_m=[1.0] * 9)
    _, ((text, count),), _ = ranges_of(given, IdTable(), IdTable())
    assert (text, count) == (
        "this anchor is not on the map: 'B0', 'B1', 'B2', 'B3', 'B4' and 4 more",
        9,
    )


@pytest.mark.parametrize(
    "card", ["", " ", "1 2", "1\t2", "1234567890123456789", "卡12", "1\x002", "12\n", "\ufffd"]
)
def test_what_is_no_card_id_is_refused(card: str) -> None:
    cards = IdTable()
    sightings, ((text, count),), _ = sightings_of(batch([card, "9"]), 0, cards)
    assert (len(sightings), count) == (1, 1)
    assert "not a card id" in text
    assert repr(card) in text
    assert cards.names() == ("9",)


@pytest.mark.parametrize("card", ["1", "140100000000000001", "A-7_b", "!"])
def test_card_ids(card: str) -> None:
    assert is_card_id(card)


@pytest.mark.parametrize("t_us", [0, -1, 1 << 62, -(1 << 63)])
def test_a_time_that_can_not_be_true_is_refused(t_us: int) -> None:
    ranges, refusals, _ = ranges_of(
        batch(["1", "2"], ["A", "A"], t_us=[t_us, T_US], range_m=[1.0, 2.0]),
        IdTable(),
        IdTable(("A",)),
    )
    assert refusals == [("no time that can be true; set the reader's clock", 1)]
    assert ranges["range_m"].tolist() == [2.0]


def test_a_full_table_refuses_new_cards_and_keeps_the_known() -> None:
    cards = IdTable(("1",), capacity=1)
    sightings, ((text, count),), _ = sightings_of(batch(["2", "1"]), 0, cards)
    assert (sightings["card"].tolist(), count) == ([0], 1)
    assert "no room for another card" in text


def test_nothing_gives_nothing() -> None:
    ranges, refusals, _ = ranges_of(batch([], [], range_m=[]), IdTable(), IdTable())
    assert (len(ranges), refusals) == (0, [])


RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "", "x y", "卡"]),
        st.sampled_from(["A", "B", "Z"]),
        st.sampled_from([0, T_US, T_US + 5, -3]),
        st.floats(allow_nan=True),
    )
)


@given(RECORDS)
def test_each_record_is_a_range_or_refused_once(records: list[tuple[str, str, int, float]]) -> None:
    cards, anchors = IdTable(), IdTable(("A", "B"))
    given_batch = batch(
        [record[0] for record in records],
        [record[1] for record in records],
        t_us=[record[2] for record in records],
        range_m=[record[3] for record in records],
    )
    ranges, refusals, _ = ranges_of(given_batch, cards, anchors)
    refused = sum(count for text, count in refusals if "distance" not in text)
    assert len(ranges) + refused == len(records)
    good = [r for r in records if r[0] in "12" and r[0] and r[1] in "AB" and r[2] > 0]
    assert [
        (cards.name(r["card"]), anchors.name(r["anchor"]), r["t_ns"] // 1000) for r in ranges
    ] == [record[:3] for record in good]
