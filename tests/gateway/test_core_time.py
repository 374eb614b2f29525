"""The mine core and time: old records, restarts, stalls, clocks that were wrong."""

import dataclasses

import numpy as np
import pytest

from equipment.report import LinkChange, LinkState, Notice, NoticeKind
from gateway.mine.change import Batch, Changes, EventKind
from positioning.mine_map import ZoneKind
from positioning.observation import FixClass
from tests.gateway.small_mine import PLAN, T0, S, Walk, batch_of, ranges_at, sighting

CARD = "15062200000100007"


def lost(mine: Walk) -> list[str]:
    return [kind for kind, _, rule in mine.events() if rule == "signal_lost"]


def kept(changes: Changes) -> dict[str, bytes]:
    return {key: value for key, value in changes.state.items() if value is not None}


# Old records, as a reader's ring gives them after a restart or an outage.


def test_old_records_do_not_end_a_silence() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.wait(40, mine.walk(CARD, range(30, 50), T0))
    again = Walk(mine.state, 100)
    again.begin(t_ns)
    # All of this was measured before the card fell silent.
    old = [ranges_at(again.table.handle(CARD), 30 + n, T0 + n * S) for n in range(20)]
    again.step(batch_of(np.concatenate(old)), t_ns + S)
    again.wait(40, t_ns + S)
    assert lost(again) == []
    assert again.all[-1].headcount.silent == 1


def test_records_of_an_outage_end_a_silence_only_when_they_are_fresh() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.wait(120, mine.walk(CARD, range(30, 50), T0))
    assert lost(mine) == ["ALARM_RAISED"]
    card = mine.table.handle(CARD)
    mine.step(batch_of(ranges_at(card, 50, t_ns - 60 * S)), t_ns)
    assert lost(mine) == ["ALARM_RAISED"]
    assert mine.all[-1].fixes[-1]["t_ns"] >= t_ns - 60 * S, "the place is taken all the same"
    mine.step(batch_of(ranges_at(card, 50, t_ns)), t_ns + S)
    assert lost(mine) == ["ALARM_RAISED", "ALARM_CLEARED"]


def test_a_silent_card_that_turns_out_to_have_left_is_silent_no_more() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(60, 30, -1), T0)
    gone_ns = t_ns
    t_ns = mine.wait(90, t_ns)
    assert lost(mine) == ["ALARM_RAISED"]
    card = mine.table.handle(CARD)
    way_out = [ranges_at(card, 30 - n, gone_ns + n * S) for n in range(1, 40)]
    mine.step(batch_of(np.concatenate(way_out)), t_ns)
    assert ("ZONE_ENTERED", CARD, "pit-top") in mine.events()
    assert mine.all[-1].headcount.underground == 0
    assert mine.all[-1].headcount.silent == 0
    assert lost(mine) == ["ALARM_RAISED", "ALARM_CLEARED"]


def test_a_card_first_heard_by_old_records_is_not_silent_at_once() -> None:
    mine = Walk()
    mine.begin()
    mine.step(batch_of(ranges_at(mine.table.handle(CARD), 30, T0 - 60 * S)), T0)
    assert mine.all[-1].headcount.underground == 1
    assert lost(mine) == []
    mine.wait(31, T0)
    assert lost(mine) == ["ALARM_RAISED"]


@pytest.mark.parametrize("tolerance_s", [5.0, 60.0])
def test_a_reader_whose_clock_is_believed_makes_no_one_silent(tolerance_s: float) -> None:
    mine = Walk(plan=dataclasses.replace(PLAN, clock_tolerance_s=tolerance_s))
    mine.begin()
    card, t_ns = mine.table.handle(CARD), T0
    behind_ns = round((tolerance_s - 0.5) * S)
    for n in range(60):
        t_ns += S
        mine.step(batch_of(ranges_at(card, 30 + n / 10, t_ns - behind_ns)), t_ns)
    t_ns = mine.wait(29, t_ns)
    assert lost(mine) == []
    mine.wait(1, t_ns)
    assert lost(mine) == ["ALARM_RAISED"]


def test_ranges_that_come_too_late_are_told_and_a_replay_after_a_restart_is_not() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 40), T0)
    card = mine.table.handle(CARD)
    late = ranges_at(card, 30, t_ns - 3 * S - S // 2)
    changes = mine.step(batch_of(late), t_ns)
    assert len(changes.fixes) == 0
    (told,) = changes.events
    assert (told.kind, told.count) == (EventKind.DATA_REFUSED, len(late))
    assert "clocks" in told.text

    again = Walk(mine.state, 100)
    again.begin(t_ns)
    replayed = ranges_at(again.table.handle(CARD), 32, T0 + 3 * S)
    assert again.step(batch_of(replayed), t_ns + S).events == ()


def test_sightings_never_move_a_card_back_in_time() -> None:
    mine = Walk()
    mine.begin()
    card = mine.table.handle(CARD)
    seen = np.concatenate([sighting(card, T0 + n * S) for n in (3, 1, 2, 4, 4)])
    fixes = mine.step(batch_of(seen), T0 + 5 * S).fixes
    assert ((fixes["t_ns"] - T0) // S).tolist() == [3, 4]
    assert len(mine.step(batch_of(sighting(card, T0 + 2 * S)), T0 + 6 * S).fixes) == 0


def test_a_restart_does_not_see_again_what_a_reader_saw_before() -> None:
    mine = Walk()
    mine.begin()
    card = mine.table.handle(CARD)
    for n in range(10):
        mine.step(batch_of(sighting(card, T0 + n * S)), T0 + n * S)
    again = Walk(mine.state | kept(mine.mine.end(T0 + 10 * S)), 100)
    again.begin(T0 + 12 * S)
    card = again.table.handle(CARD)
    ring = np.concatenate([sighting(card, T0 + n * S) for n in range(12)])
    fixes = again.step(batch_of(ring), T0 + 13 * S).fixes
    assert ((fixes["t_ns"] - T0) // S).tolist() == [10, 11]
    assert [kind for kind, *_ in again.events()] == ["GATEWAY_STARTED"]


def test_late_ranges_do_not_take_a_card_back_from_where_it_was_seen_since() -> None:
    mine = Walk()
    mine.begin()
    card = mine.table.handle(CARD)
    t_ns = mine.walk(CARD, range(60, 50, -1), T0)
    mine.step(batch_of(sighting(card, t_ns + 20 * S)), t_ns + 20 * S)
    assert mine.all[-1].fixes["fix_class"].tolist() == [FixClass.ZONE]
    late = [ranges_at(card, 50 - n, t_ns + n * S) for n in range(1, 10)]
    assert len(mine.step(batch_of(np.concatenate(late)), t_ns + 21 * S).fixes) == 0


# What is kept.


def test_a_silent_card_that_only_a_reader_saw_comes_back_as_just_that() -> None:
    mine = Walk()
    mine.begin()
    card = mine.table.handle(CARD)
    mine.step(batch_of(sighting(card, T0, reader=1)), T0)
    t_ns = mine.wait(40, T0)
    assert lost(mine) == ["ALARM_RAISED"]
    again = Walk(mine.state, 100)
    shown = again.begin(t_ns).fixes
    assert shown["fix_class"].tolist() == [FixClass.LOST]
    assert shown["t_ns"].tolist() == [T0]
    # Its place came from no range, so the first range does not start from there.
    fixes = again.step(batch_of(ranges_at(0, 30, t_ns + S)[:1]), t_ns + S).fixes
    assert fixes["fix_class"].tolist() == [FixClass.ZONE], "it is shown as heard again, no more"


def test_a_card_is_kept_as_soon_as_it_is_heard() -> None:
    mine = Walk()
    mine.begin()
    one = ranges_at(mine.table.handle(CARD), 30, T0)[:1]
    mine.step(batch_of(one), T0 + S // 2)
    again = Walk(mine.state, 100)
    assert again.begin(T0 + S).headcount.underground == 1


@pytest.mark.parametrize("step_s", [2, 5, 10])
def test_all_cards_are_kept_however_slow_the_steps(step_s: int) -> None:
    mine = Walk()
    mine.begin()
    cards = range(10)
    for n in range(1, 6):
        t_ns = T0 + n * step_s * S
        ranges = [ranges_at(mine.table.handle(f"{card:09d}"), 20 + n, t_ns) for card in cards]
        mine.step(batch_of(np.concatenate(ranges)), t_ns)
    t_ns += 10 * S
    mine.step(Batch(), t_ns)
    again = Walk(mine.state, 100)
    known = again.begin(t_ns).fixes
    assert (known["t_ns"] >= T0 + 5 * step_s * S).all()


def test_the_end_keeps_everyone_and_tells_what_was_not_told() -> None:
    mine = Walk()
    mine.begin()
    for n in range(3):
        notice = Notice("uwb-1", NoticeKind.DATA_LOST, 2, "overrun", T0 + n * S)
        mine.step(Batch(notices=(notice,)), T0 + n * S)
    t_ns = mine.walk(CARD, range(30, 33), T0 + 3 * S)
    last = mine.all[-1].fixes[-1]
    ended = mine.mine.end(t_ns)
    assert [(event.kind, event.count) for event in ended.events] == [(EventKind.DATA_LOST, 4)]
    again = Walk(mine.state | kept(ended), 100)
    assert again.begin(t_ns).fixes["t_ns"].tolist() == [int(last["t_ns"])]


# Restarts with another map, and with a damaged state.


def restarted(mine: Walk, state: dict[str, bytes], *, sealed: ZoneKind, now_ns: int) -> Walk:
    zones = tuple(
        dataclasses.replace(zone, kind=sealed) if zone.id == "sealed" else zone
        for zone in PLAN.map.zones
    )
    plan = dataclasses.replace(PLAN, map=dataclasses.replace(PLAN.map, zones=zones))
    again = Walk(state, 100, plan=plan)
    again.begin(now_ns)
    return again


def test_a_zone_that_is_no_longer_restricted_has_no_alarm() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 75), T0)
    again = restarted(mine, mine.state, sealed=ZoneKind.FACE, now_ns=t_ns)
    assert again.events()[1:] == [("ALARM_CLEARED", CARD, "sealed")]
    assert again.all[-1].headcount.by_zone["sealed"] == 1


def test_a_zone_that_is_restricted_now_has_its_alarm() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 75), T0)
    travel = restarted(mine, mine.state, sealed=ZoneKind.FACE, now_ns=t_ns)
    again = restarted(travel, travel.state, sealed=ZoneKind.RESTRICTED, now_ns=t_ns)
    assert again.events()[1:] == [("ALARM_RAISED", CARD, "sealed")]


def test_a_card_whose_state_is_damaged_is_where_its_alarm_says() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 75), T0)
    damaged = ("card/", "places/")
    state = {key: value for key, value in mine.state.items() if not key.startswith(damaged)}
    again = Walk(state, 100)
    again.begin(t_ns)
    assert again.events() == [("GATEWAY_STARTED", "", "")]
    assert again.all[0].events[0].text == "the gateway goes on with 1 cards"
    assert again.all[-1].headcount.underground == 1
    assert again.all[-1].headcount.by_zone["sealed"] == 1
    again.walk(CARD, range(75, 110), t_ns)
    assert ("ALARM_CLEARED", CARD, "sealed") in again.events()


def test_a_card_of_which_only_the_place_is_left_does_not_vanish() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 50), T0)
    mine._note(mine.mine.end(t_ns))
    state = {key: value for key, value in mine.state.items() if not key.startswith("card/")}
    again = Walk(state, 100)
    (shown,) = again.begin(t_ns).fixes
    assert shown["x_m"] == pytest.approx(49, abs=1)
    assert again.all[-1].headcount.underground == 1
    third = Walk(again.state, 200)
    assert third.begin(t_ns).fixes["x_m"].tolist() == [shown["x_m"]]


def test_places_outlive_a_restart_with_another_order_of_cards() -> None:
    mine = Walk()
    mine.begin()
    names = [str(100_000_000 + n) for n in range(7)]
    t_ns = T0
    for n, name in enumerate(names):
        t_ns = mine.walk(name, range(30 + n, 35 + n), t_ns)
    mine._note(mine.mine.end(t_ns))
    # Only the first walks on, of those who are known in another order now.
    state = dict(reversed(mine.state.items()))
    again = Walk(state, 100)
    again.begin(t_ns)
    t_ns = again.walk(names[0], range(36, 50), t_ns)
    again._note(again.mine.end(t_ns))
    third = Walk(again.state, 200)
    shown = third.begin(t_ns).fixes
    x_m = {third.table.name(int(fix["card"])): float(fix["x_m"]) for fix in shown}
    assert [x_m[name] for name in names] == pytest.approx([49, 35, 36, 37, 38, 39, 40], abs=1)


def test_a_silent_card_whose_state_is_damaged_is_still_silent() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.wait(40, mine.walk(CARD, range(30, 50), T0))
    state = {key: value for key, value in mine.state.items() if not key.startswith("card/")}
    again = Walk(state, 100)
    again.begin(t_ns)
    assert again.all[-1].headcount.silent == 1
    again.walk(CARD, range(50, 55), t_ns)
    assert lost(again) == ["ALARM_CLEARED"]


def test_a_silent_card_whose_alarm_is_damaged_has_one_again() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.wait(40, mine.walk(CARD, range(30, 50), T0))
    state = {key: value for key, value in mine.state.items() if not key.startswith("alarm/")}
    again = Walk(state, 100)
    again.begin(t_ns)
    assert lost(again) == ["ALARM_RAISED"]


# Time that leaps.


@pytest.mark.parametrize("leap_s", [60, 3600, -3600])
def test_when_the_gateway_stood_still_no_one_fell_silent(leap_s: int) -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.wait(1, mine.walk(CARD, range(30, 50), T0))
    down = LinkChange("shearer", LinkState.DOWN, "no route", t_ns)
    mine.step(Batch(links=(down,)), t_ns)
    t_ns += leap_s * S
    mine.step(Batch(), t_ns)
    t_ns = mine.wait(2, t_ns)
    assert [kind for kind, *_ in mine.events()] == ["GATEWAY_STARTED", "MINE_ENTERED"]
    t_ns = mine.wait(3, t_ns)
    assert mine.events()[-1] == ("ALARM_RAISED", "shearer", "device_down")
    mine.wait(26, t_ns)
    assert lost(mine) == ["ALARM_RAISED"]


def test_slow_steps_do_not_put_silence_off_for_ever() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 50), T0)
    for _ in range(20):
        t_ns += 4 * S
        mine.step(Batch(), t_ns)
    assert lost(mine) == ["ALARM_RAISED"]


def test_notices_are_told_when_time_has_leapt_back() -> None:
    mine = Walk()
    mine.begin()
    notice = Notice("uwb-1", NoticeKind.DATA_LOST, 2, "overrun", T0)
    mine.step(Batch(notices=(notice,)), T0)
    t_ns = T0 - 3600 * S
    mine.step(Batch(notices=(notice,)), t_ns)
    mine.wait(61, t_ns)
    assert [kind for kind, *_ in mine.events()].count("DATA_LOST") == 2


def test_a_gateway_that_starts_with_a_clock_behind_goes_on_placing_cards() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 50), T0)
    again = Walk(mine.state, 100)
    behind_ns = t_ns - 3600 * S
    begun = again.begin(behind_ns)
    assert "clock" in begun.events[0].text
    assert begun.fixes["t_ns"].max() <= behind_ns
    again.walk(CARD, range(50, 75), behind_ns)
    assert ("ZONE_ENTERED", CARD, "sealed") in again.events()
    assert all(event.event_t_ns <= event.record_t_ns + S for c in again.all for event in c.events)


def test_a_silent_card_stays_silent_when_the_clock_is_behind() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.wait(40, mine.walk(CARD, range(30, 50), T0))
    again = Walk(mine.state, 100)
    again.begin(t_ns - 3600 * S)
    again.wait(5, t_ns - 3600 * S)
    assert lost(again) == []
    assert again.all[-1].headcount.silent == 1


# Notices in a flood.


def test_a_flood_of_notices_is_grouped_and_each_reason_is_named() -> None:
    mine = Walk()
    mine.begin()
    for n in range(600):
        notices = tuple(
            Notice("uwb-1", NoticeKind.DATA_REFUSED, 1, text, T0)
            for text in ("not a card id", f"this anchor is not on the map: 'B{n}'")
        )
        mine.step(Batch(notices=notices), T0 + n * S // 10)
    ended = mine.mine.end(T0 + 60 * S)
    told = [e for c in (*mine.all, ended) for e in c.events if e.device]
    assert [event.count for event in told] == [2, 1198]
    assert all("not a card id" in event.text and "not on the map" in event.text for event in told)
    assert all(len(event.text) < 400 for event in told)
