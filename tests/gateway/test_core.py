"""The mine core on a mine of one roadway: what is told, what is kept, what comes back."""

import numpy as np
import pytest

from equipment.report import LinkChange, LinkState, Notice, NoticeKind
from gateway.mine.change import Batch, EventKind
from positioning.observation import FIX, FixClass, Records, measurements
from tests.gateway.small_mine import T0, S, Walk, batch_of, ranges_at, sighting

CARD = "15062200000100007"


def test_a_walk_tells_each_zone_once_and_raises_the_alarm_inside() -> None:
    mine = Walk()
    mine.begin()
    mine.walk(CARD, range(30, 110), T0)
    assert mine.events() == [
        ("GATEWAY_STARTED", "", ""),
        ("MINE_ENTERED", CARD, ""),
        ("ZONE_ENTERED", CARD, "face"),
        ("ZONE_ENTERED", CARD, "sealed"),
        ("ALARM_RAISED", CARD, "sealed"),
        ("ZONE_LEFT", CARD, "sealed"),
        ("ALARM_CLEARED", CARD, "sealed"),
    ]
    assert mine.all[-1].headcount.underground == 1
    assert mine.all[-1].headcount.by_zone == {"pit-top": 0, "sealed": 0, "face": 1}


def test_events_are_numbered_without_a_gap_and_alarms_end_after_they_begin() -> None:
    mine = Walk(first_sequence=41)
    mine.begin()
    mine.walk(CARD, [*range(30, 80), *range(80, 30, -1)], T0)
    events = [event for changes in mine.all for event in changes.events]
    assert [event.sequence for event in events] == list(range(41, 41 + len(events)))
    ended = [event.alarm for event in events if event.kind is EventKind.ALARM_CLEARED]
    begun = [event.alarm for event in events if event.kind is EventKind.ALARM_RAISED]
    assert [alarm.id for alarm in begun if alarm] == [alarm.id for alarm in ended if alarm]
    assert all(alarm and (alarm.end_t_ns or 0) > alarm.start_t_ns for alarm in ended)


def test_silence_is_not_absence() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 50), T0)
    last = mine.all[-1].fixes[-1]
    t_ns = mine.wait(29, t_ns)
    assert ("ALARM_RAISED", CARD, "signal_lost") not in mine.events()
    t_ns = mine.wait(1, t_ns)
    assert mine.events()[-1] == ("ALARM_RAISED", CARD, "signal_lost")
    (raised,) = mine.all[-1].events
    assert raised.place
    assert (raised.place.x_m, raised.place.t_ns) == (last["x_m"], last["t_ns"])
    lost = mine.all[-1].fixes[-1]
    assert lost["fix_class"] == FixClass.LOST
    assert (lost["x_m"], lost["t_ns"]) == (last["x_m"], last["t_ns"])
    t_ns = mine.wait(86_400 / 100, t_ns)
    assert mine.all[-1].headcount.underground == 1
    assert mine.all[-1].headcount.silent == 1
    mine.walk(CARD, [50], t_ns)
    assert ("ALARM_CLEARED", CARD, "signal_lost") in mine.events()
    assert mine.all[-1].headcount.silent == 0


def test_who_is_located_at_the_wellhead_is_not_below_and_may_be_silent_there() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, -5, -1), T0)
    assert mine.all[-1].headcount.underground == 0
    t_ns = mine.wait(60, t_ns)
    assert ("ALARM_RAISED", CARD, "signal_lost") not in mine.events()
    mine.walk(CARD, range(-5, 40), t_ns)
    assert mine.all[-1].headcount.underground == 1


def test_a_card_that_was_only_heard_counts_as_below() -> None:
    mine = Walk()
    mine.begin()
    one = ranges_at(mine.table.handle(CARD), 30, T0)[:1]
    mine.step(batch_of(one), T0)
    assert mine.all[-1].headcount.underground == 1
    mine.wait(31, T0)
    assert mine.events()[-1] == ("ALARM_RAISED", CARD, "signal_lost")


def test_a_sighting_places_a_card_without_ranges_and_never_against_them() -> None:
    mine = Walk()
    mine.begin()
    card = mine.table.handle(CARD)
    fixes = mine.step(batch_of(sighting(card, T0)), T0).fixes
    assert fixes["fix_class"].tolist() == [FixClass.ZONE]
    assert fixes["x_m"].tolist() == [0.0]
    # Somewhere in the reader's 8 m: at least the variance of an even disc.
    assert 16.0 <= fixes["var_x_m2"][0] < 64.0
    t_ns = mine.walk(CARD, range(30, 40), T0 + S)
    assert len(mine.step(batch_of(sighting(card, t_ns + S)), t_ns + S).fixes) == 0
    later = t_ns + 6 * S
    assert len(mine.step(batch_of(sighting(card, later)), later).fixes) == 1


def test_height_follows_the_floor_of_the_map() -> None:
    mine = Walk()
    mine.begin()
    mine.walk(CARD, range(30, 35), T0)
    assert mine.all[-1].fixes["z_m"] == pytest.approx(-7.0)


def test_a_device_is_down_after_the_delay_however_often_it_fails() -> None:
    mine = Walk()
    mine.begin()
    down = [LinkChange("shearer", LinkState.DOWN, "no route", T0 + n * S) for n in range(9)]
    for n, link in enumerate(down):
        mine.step(Batch(links=(link,)), T0 + n * S)
    raised = [event for changes in mine.all for event in changes.events if event.alarm]
    assert [(event.device, event.event_t_ns, event.record_t_ns) for event in raised] == [
        ("shearer", T0, T0 + 5 * S)
    ]
    assert raised[0].text == "device shearer is down: no route"
    up = LinkChange("shearer", LinkState.UP, "", T0 + 10 * S)
    mine.step(Batch(links=(up,)), T0 + 10 * S)
    assert mine.events()[-1] == ("ALARM_CLEARED", "shearer", "device_down")


def test_lost_data_are_told_at_once_and_then_in_sums() -> None:
    mine = Walk()
    mine.begin()
    for n in range(130):
        notice = Notice("uwb-1", NoticeKind.DATA_LOST, 2, "overrun", T0 + n * S)
        mine.step(Batch(notices=(notice,)), T0 + n * S)
    told = [event for changes in mine.all for event in changes.events if event.device]
    assert [event.count for event in told] == [2, 120, 120]


def test_the_core_comes_back_as_it_was() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 75), T0)
    sequence = 1 + sum(len(changes.events) for changes in mine.all)

    again = Walk(mine.state, sequence)
    first = again.begin(t_ns + 10 * S)
    assert [event.kind for event in first.events] == [EventKind.GATEWAY_STARTED]
    assert first.headcount == mine.all[-1].headcount
    card = again.table.handle(CARD)
    assert set(first.zones[card]) == {"sealed", "face"}
    assert len(first.fixes) == 1
    # The same ranges once more, as a reader's ring gives them after a restart: nothing twice.
    again.walk(CARD, range(40, 75), T0 + 10 * S)
    assert again.events() == [("GATEWAY_STARTED", "", "")]
    again.walk(CARD, range(75, 110), t_ns + 11 * S)
    assert again.events()[1:] == [
        ("ZONE_LEFT", CARD, "sealed"),
        ("ALARM_CLEARED", CARD, "sealed"),
    ]


def test_a_silent_card_is_still_silent_after_a_restart_and_told_once() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.wait(40, mine.walk(CARD, range(30, 50), T0))
    again = Walk(mine.state, 100)
    again.begin(t_ns)
    again.wait(40, t_ns)
    assert ("ALARM_RAISED", CARD, "signal_lost") not in again.events()
    assert again.all[-1].headcount.silent == 1
    again.walk(CARD, [50], t_ns + 40 * S)
    assert again.events()[-1] == ("ALARM_CLEARED", CARD, "signal_lost")


def test_the_gateways_own_absence_is_not_the_cards_silence() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.wait(6, mine.walk(CARD, range(30, 50), T0))
    again = Walk(mine.state, 100)
    again.begin(t_ns + 3600 * S)
    again.wait(29, t_ns + 3600 * S)
    assert again.events() == [("GATEWAY_STARTED", "", "")]
    again.wait(1, t_ns + 3629 * S)
    assert again.events()[-1] == ("ALARM_RAISED", CARD, "signal_lost")


def columns(fixes: Records) -> list[bytes]:
    """The bits of all columns: what lies between them in memory is nothing."""
    return [fixes[name].tobytes() for name in FIX.names or ()]


def test_same_input_same_output() -> None:
    def run() -> list[object]:
        mine = Walk()
        mine.begin()
        t_ns = mine.walk(CARD, range(30, 75), T0)
        mine.walk("15062200000100008", range(110, 20, -1), t_ns)
        return [
            (columns(changes.fixes), changes.events, changes.state, changes.headcount)
            for changes in mine.all
        ]

    assert run() == run()


def test_fixes_do_not_depend_on_how_arrival_is_cut_into_batches() -> None:
    """Ranges and sightings of two cards, mixed: each alone, by threes, and all at once."""
    parts = []
    for second in range(1, 40):
        t_ns = T0 + second * S
        # For a while only the reader sees card 1.
        if not 12 < second < 25:
            parts += [measurements(one) for one in ranges_at(1, 20 + second, t_ns).reshape(-1, 1)]
        parts.append(measurements(sighting(1, t_ns + 500_000_000)))
        parts.append(measurements(ranges_at(0, 60 - second, t_ns + 600_000_000)))
    arrived = np.concatenate(parts)
    found = []
    for size in (1, 3, len(arrived)):
        mine = Walk()
        mine.begin()
        mine.table.handle(CARD), mine.table.handle("15062200000100008")
        for start in range(0, len(arrived), size):
            mine.step(Batch(arrived[start : start + size]), T0 + 60 * S)
        found.append(columns(np.concatenate([changes.fixes for changes in mine.all])))
    assert found[0] == found[1] == found[2]


def test_many_cards_in_one_batch_are_as_each_alone() -> None:
    together, alone = Walk(), Walk()
    together.begin()
    alone.begin()
    for card in range(200):
        together.table.handle(f"{card:09d}")
        alone.table.handle(f"{card:09d}")
    for second in range(1, 20):
        t_ns = T0 + second * S
        batches = [ranges_at(card, 20 + second + card / 10, t_ns) for card in range(200)]
        together.step(batch_of(np.concatenate(batches)), t_ns)
        for batch in batches:
            alone.step(batch_of(batch), t_ns)
    assert together.all[-1].headcount == alone.all[-1].headcount
    both = [sorted(walk.events()) for walk in (together, alone)]
    assert both[0] == both[1]
