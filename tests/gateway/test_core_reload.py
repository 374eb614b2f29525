"""What another configuration changes at once, and what it leaves as it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from equipment.report import LinkChange, LinkState, Quality, Sample
from gateway.mine.alarms.states import AlarmState
from gateway.mine.change import Act, ActKind, Batch, Changes, EventKind
from gateway.mine.plan import AlarmRule, Holder, MinePlan, Stop, ValueLimit
from gateway.mine.prepared import Reload, prepare
from positioning.mine_map import Anchor, Zone, ZoneKind
from tests.gateway.small_mine import MAP, PLAN, T0, S, Walk, batch_of, ranges_at, rectangle

CARD, OTHER = "000000001", "000000002"
HOLDERS = {CARD: Holder("Wang"), OTHER: Holder("Li")}


class Room(Walk):
    """A core that is given other plans."""

    def __init__(self, **changes: Any) -> None:
        self.plan = replace(PLAN, holders=HOLDERS, **changes)
        super().__init__(plan=self.plan)
        self.begin()

    def reload(self, t_ns: int, act: Act | None = None, **changes: Any) -> Changes:
        plan = replace(self.plan, **changes)
        reload = Reload("other rules", prepare(self.plan, plan), act)
        self.plan = plan
        return self._note(self.mine.reload(reload, t_ns))


def with_zones(*zones: Zone) -> Any:
    return replace(MAP, zones=zones)


def rules(**families: AlarmRule) -> dict[str, AlarmRule]:
    return {**PLAN.rules, **families}


def told(changes: Changes) -> list[tuple[str, str]]:
    """Kinds and the families of alarms, or zones, but for the change itself."""
    assert changes.events[0].kind is EventKind.CONFIGURATION_CHANGED
    return [
        (event.kind.name, event.alarm.rule if event.alarm else event.zone)
        for event in changes.events[1:]
    ]


def sample(value: float, t_ns: int) -> Batch:
    return Batch(samples=(Sample("shearer", "ch4", value, Quality.GOOD, "", None, t_ns),))


def test_a_lower_quota_is_exceeded_at_once_and_a_higher_one_is_kept() -> None:
    room = Room(people_quota=2)
    t_ns = room.walk(CARD, [40] * 15, T0)
    t_ns = room.walk(OTHER, [40] * 15, t_ns)
    assert told(room.reload(t_ns + 1, people_quota=1)) == [("ALARM_RAISED", "overcrowded")]
    assert told(room.reload(t_ns + 2, people_quota=2)) == [("ALARM_CLEARED", "overcrowded")]
    room.reload(t_ns + 3, people_quota=1)
    cleared = room.reload(t_ns + 4, people_quota=None)
    assert told(cleared) == [("ALARM_CLEARED", "overcrowded")]
    assert cleared.events[1].text == "no limit is configured for it any more"


def test_a_card_becomes_known_and_unknown() -> None:
    room = Room()
    t_ns = room.walk(CARD, [40] * 3, T0)
    assert told(room.reload(t_ns + 1, holders={})) == [("ALARM_RAISED", "unknown_card")]
    assert told(room.reload(t_ns + 2, holders=HOLDERS)) == [("ALARM_CLEARED", "unknown_card")]


def test_a_zone_that_moves_goes_and_comes() -> None:
    sealed = Zone("sealed", "Sealed", ZoneKind.RESTRICTED, rectangle(60, 90))
    room = Room(map=with_zones(sealed))
    t_ns = room.walk(CARD, [75] * 4, T0)
    since_ns = room.mine._occupancy.inside("sealed")
    before = dict(since_ns)
    wider = replace(sealed, rings_m=rectangle(55, 95))
    assert told(room.reload(t_ns + 1, map=with_zones(wider))) == []
    assert dict(room.mine._occupancy.inside("sealed")) == before
    moved = replace(sealed, rings_m=rectangle(100, 120))
    assert told(room.reload(t_ns + 2, map=with_zones(moved))) == [
        ("ZONE_LEFT", "sealed"),
        ("ALARM_CLEARED", "restricted_entry"),
    ]
    back = room.reload(t_ns + 3, map=with_zones(wider))
    assert told(back) == [("ZONE_ENTERED", "sealed"), ("ALARM_RAISED", "restricted_entry")]
    assert back.events[1].event_t_ns == t_ns + 3
    gone = room.reload(t_ns + 4, map=with_zones())
    assert told(gone) == [("ALARM_CLEARED", "restricted_entry"), ("ZONE_LEFT", "sealed")]
    assert gone.events[1].text == "zone sealed is no longer on the map"
    assert gone.zones == {room.table.handle(CARD): ()}


def test_a_new_limit_judges_the_newest_value_and_a_gone_one_is_over() -> None:
    room = Room()
    room.step(sample(1.4, T0 + S), T0 + S)
    gas = ValueLimit("gas", "Gas", "shearer", "ch4", above=1.0)
    assert told(room.reload(T0 + 2 * S, limits=(gas,))) == [("ALARM_RAISED", "limit_exceeded")]
    gone = room.reload(T0 + 3 * S, limits=())
    assert told(gone) == [("ALARM_CLEARED", "limit_exceeded")]
    assert gone.events[1].text == "the limit gas is no longer configured"


def test_a_device_that_is_gone_is_not_down_any_more() -> None:
    room = Room()
    down = LinkChange("shearer", LinkState.DOWN, "cut", T0 + S)
    room.step(Batch(links=(down,)), T0 + S)
    t_ns = room.wait(6, T0 + S)
    gone = room.reload(t_ns + 1, devices=("uwb-1",))
    assert told(gone) == [("ALARM_CLEARED", "device_down")]
    assert gone.events[1].text == "device shearer is no longer configured"
    room.wait(10, t_ns + 1)
    assert [event for event in room.events() if event[1] == "shearer"] == [
        ("ALARM_RAISED", "shearer", "device_down"),
        ("ALARM_CLEARED", "shearer", "device_down"),
    ]


def test_delays_that_run_go_on_by_the_new_rule() -> None:
    room = Room(rules=rules(device_down=AlarmRule(2, after_s=20)))
    down = LinkChange("shearer", LinkState.DOWN, "cut", T0 + S)
    room.step(Batch(links=(down,)), T0 + S)
    room.wait(9, T0 + S)
    room.reload(T0 + 10 * S + 1, rules=rules(device_down=AlarmRule(2, after_s=12)))
    room.wait(2, T0 + 10 * S)
    assert ("ALARM_RAISED", "shearer", "device_down") not in room.events()
    room.wait(1, T0 + 12 * S)
    assert room.events()[-1] == ("ALARM_RAISED", "shearer", "device_down")


def test_silence_goes_on_and_more_patience_takes_it_back() -> None:
    room = Room()
    t_ns = room.walk(CARD, [40] * 15, T0)
    t_ns = room.wait(31, t_ns)
    assert room.events()[-1] == ("ALARM_RAISED", CARD, "signal_lost")
    patient = rules(signal_lost=AlarmRule(3, after_s=60))
    changed = room.reload(t_ns + 1, rules=patient)
    assert told(changed) == [("ALARM_CLEARED", "signal_lost")]
    assert changed.events[1].text == "a card is lost after 60 s now"
    assert changed.headcount.silent == 0
    assert b'"silent":false' in (changed.state[f"card/{CARD}"] or b"")  # also after a restart
    room.wait(28, t_ns)
    assert room.events()[-1][0] == "ALARM_CLEARED"
    room.wait(2, t_ns + 28 * S)
    assert room.events()[-1] == ("ALARM_RAISED", CARD, "signal_lost")


def test_open_alarms_follow_their_family() -> None:
    room = Room(rules=rules(restricted_entry=AlarmRule(1, latch=True)))
    t_ns = room.walk(CARD, [75] * 4, T0)
    lower = rules(restricted_entry=AlarmRule(3, latch=True, tell=("chief",)))
    changed = room.reload(t_ns + 1, rules=lower)
    assert told(changed) == [("ALARM_CHANGED", "restricted_entry")]
    (alarm,) = changed.alarms.values()
    assert (alarm.level, alarm.tell) == (3, ("chief",))
    t_ns = room.walk(CARD, [40] * 4, t_ns)
    unlatched = room.reload(t_ns + 1, rules=rules(restricted_entry=AlarmRule(3)))
    assert told(unlatched)[-1] == ("ALARM_CLEARED", "restricted_entry")
    (alarm,) = unlatched.alarms.values()
    assert alarm.state is AlarmState.RETURNED_UNACKNOWLEDGED


def test_a_muster_goes_on_with_the_new_map() -> None:
    room = Room()
    t_ns = room.walk(CARD, [75] * 12, T0)
    act = Act("request-1", "Zhao", ActKind.MUSTER_OPEN, "real/face", "smoke")
    room.step(Batch(acts=(act,)), t_ns + 1)
    refuge = Zone("refuge", "Refuge", ZoneKind.REFUGE, rectangle(70, 80))
    rest = [zone for zone in MAP.zones if zone.id != "face"]
    changed = room.reload(t_ns + 2, map=with_zones(*rest, refuge))
    assert ("MUSTER_SAFE", "refuge") in told(changed)
    assert changed.muster is not None
    assert changed.muster.fresh
    assert [card.card for card in changed.muster.cards] == [CARD]


def test_another_route_begins_anew() -> None:
    now = datetime.fromtimestamp(T0 // S, UTC)
    stop = Stop("sealed", now.time(), (now + timedelta(minutes=1)).time())
    holders = {CARD: Holder("Wang", route="round")}
    room = Room(routes={"round": (stop,)})
    room.reload(T0 + 1, holders=holders)
    t_ns = room.walk(CARD, [75] * 4, T0)
    assert any(key.startswith("route/") for key in room.state)
    room.reload(t_ns + 1, routes={"round": (replace(stop, zone="face"),)})
    assert not any(key.startswith("route/") for key in room.state)


def test_anchors_in_another_order_keep_what_was_learnt_of_them() -> None:
    room = Room()
    t_ns = room.walk(CARD, [40] * 8, T0)
    heard = dict(
        zip((a.id for a in MAP.anchors), room.mine._locator.anchor_stats()["heard"], strict=True)
    )
    assert heard["A0"] > 0
    turned = tuple(reversed(MAP.anchors))
    changed = room.reload(t_ns + 1, map=replace(MAP, anchors=(*turned, Anchor("A9", 5, 3, -5))))
    assert told(changed) == []
    assert changed.anchors is not None
    assert len(changed.anchors) == 6
    after = room.mine._locator.anchor_stats()["heard"]
    assert dict(zip((a.id for a in turned), after, strict=False)) == heard
    # The new indices are those of the new map: the card is where it was.
    ranges = ranges_at(room.table.handle(CARD), 40.0, t_ns + S)
    ranges["anchor"] = len(MAP.anchors) - 1 - ranges["anchor"]
    fixes = room.step(batch_of(ranges), t_ns + S).fixes
    assert abs(fixes["x_m"][-1] - 40.0) < 1.0


def test_an_act_is_done_once_and_a_refusal_is_told_and_kept() -> None:
    room = Room(people_quota=5)
    act = Act("request-1", "Zhao", ActKind.CONFIGURATION_RELOAD, "140100000001")
    wrong = room._note(room.mine.reload(Reload("mine.toml:3: no", None, act), T0 + S))
    assert [event.kind for event in wrong.events] == [EventKind.CONFIGURATION_REFUSED]
    assert [answer.refusal for answer in wrong.answers] == ["mine.toml:3: no"]
    assert room.mine.has_answered("request-1")
    again = room.step(Batch(acts=(act,)), T0 + 2 * S)
    assert [(one.refusal, one.again) for one in again.answers] == [("mine.toml:3: no", True)]
    good = room.reload(T0 + 3 * S, replace(act, request_id="request-2"), people_quota=4)
    assert [(one.refusal, one.again) for one in good.answers] == [("", False)]


def test_a_start_with_another_configuration_is_told() -> None:
    def begun(name: str, state: dict[str, bytes]) -> Walk:
        walk = Walk(state, 1, plan=named(name))
        walk.begin()
        return walk

    def named(name: str) -> MinePlan:
        return replace(PLAN, configuration=name)

    first = begun("one", {})
    assert first.events() == [("GATEWAY_STARTED", "", "")]
    changed = Reload("two instead", prepare(named("one"), named("two")))
    first._note(first.mine.reload(changed, T0 + S))
    assert begun("two", first.state).events() == [("GATEWAY_STARTED", "", "")]
    kinds = [kind for kind, *_ in begun("three", first.state).events()]
    assert kinds == ["GATEWAY_STARTED", "CONFIGURATION_CHANGED"]


def test_the_same_again_ends_no_stay_early() -> None:
    """Stays are looked at once a second: a reload in between is no look."""
    face = Zone("face", "Face", ZoneKind.FACE, rectangle(50, 130), stay_limit_min=0.2)
    room = Room(map=with_zones(face))
    t_ns = room.walk(CARD, [75] * 3, T0)
    (since_ns,) = room.mine._occupancy.inside("face").values()
    while t_ns - since_ns < 11 * S:
        t_ns = room.wait(1, t_ns)
    assert told(room.reload(t_ns + S // 2)) == []
    room.wait(2, t_ns)
    assert room.events()[-1] == ("ALARM_RAISED", CARD, "face")


def test_who_is_silent_is_not_out_because_the_wellhead_has_grown() -> None:
    room = Room()
    t_ns = room.wait(40, room.walk(CARD, [20.0] * 10, T0))
    grown = replace(MAP.zones[0], rings_m=rectangle(-20, 30))
    changes = room.reload(t_ns + 1, map=with_zones(grown, *MAP.zones[1:]))
    assert (changes.headcount.underground, changes.headcount.silent) == (1, 1)
    t_ns = room.wait(5, t_ns + 1)
    assert not any(kind == "MINE_LEFT" for kind, *_ in room.events())
    room.walk(CARD, [20.0] * 4, t_ns)  # now it is heard there
    assert room.events()[-2:] == [("ZONE_ENTERED", CARD, "pit-top"), ("MINE_LEFT", CARD, "")]


def test_who_is_back_in_people_csv_has_no_card_that_is_someone_elses_by_now() -> None:
    room = Room()

    def replaced(second: int, cards: str) -> None:
        act = Act(f"request-{second}", "Zhao", ActKind.CARD_REPLACE, cards, "so")
        (answer,) = room.step(Batch(acts=(act,)), T0 + second * S).answers
        assert answer.refusal == ""

    replaced(1, f"{CARD}/7002")
    replaced(2, f"{OTHER}/7001")
    assert room.reload(T0 + 3 * S, holders={CARD: HOLDERS[CARD]}).issued == {"7002": CARD}
    replaced(4, "7002/7001")
    assert room.reload(T0 + 5 * S, holders=HOLDERS).issued == {"7001": CARD}
    again = Walk(room.state, 900, plan=room.plan)
    assert again.begin(T0 + 6 * S).issued == {"7001": CARD}
