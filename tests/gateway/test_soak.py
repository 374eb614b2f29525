"""A soak passes with every fault, is the same by the same seed, and finds planted bugs."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.mine.acts import ActBook
from gateway.mine.alarms import words
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.floods import FloodBook
from gateway.mine.alarms.hiding import HidingBook
from gateway.mine.alarms.kept import keep_alarm
from gateway.mine.change import EventKind
from gateway.mine.core import Mine
from gateway.mine.devices.clocks import Clocks
from gateway.mine.devices.limits import Limits
from gateway.mine.machines.cutters import Cutters
from gateway.mine.machines.fences import MachineFences
from gateway.mine.machines.poses import Poses
from gateway.mine.machines.proximity import Proximity
from gateway.mine.machines.vehicles import Vehicles
from gateway.mine.muster.book import MusterBook
from gateway.mine.muster.card import MusterState
from gateway.mine.people.card_flags import CardFlags
from gateway.mine.people.card_kept import CardKeeper
from gateway.mine.people.cards import Cards
from gateway.mine.people.exposure import ExposureBook
from gateway.mine.people.issue import IssueBook
from gateway.mine.people.leaps import LeapWatch
from gateway.mine.people.route_watch import RouteWatch
from gateway.mine.people.twins import TwinWatch
from gateway.mine.prevention.hazards import HazardBook
from gateway.mine.zones.flows import FlowBook
from gateway.mine.zones.occupancy import Occupancy
from gateway.mine.zones.visits import VisitBook
from gateway.soak.faults import KINDS
from gateway.soak.plan import SoakSettings
from gateway.soak.run import run
from gateway.soak.shrink import shrink
from positioning.zones import ZoneMembership

#: People come and go all the time, so that much happens in little time.
SHORT = SoakSettings(hours=0.6, people=15, seed=5, shift_h=0.3)
#: Enough of them for quotas and for faults that are rare.
CROWD = dataclasses.replace(SHORT, people=40, seed=6)

#: Without what tells of a bug by chance before the law about it does.
BUSY = dataclasses.replace(SHORT, people=60, seed=6, hours=1.0)
QUIET = dataclasses.replace(BUSY, without=frozenset(KINDS.keys() - {"both"}))


def test_a_short_soak_with_every_fault_passes_and_is_repeatable() -> None:
    first = run(SHORT)
    assert [violation.text() for violation in first.violations] == []
    assert first.restarts > 0
    assert first.false_pairs == 0
    assert first.judged_share > 0.4
    assert {"distress", "signal_lost", "danger_proximity"} <= first.raised.keys()
    assert len(first.raised) > 12
    assert len(first.acts) > 8
    assert first.reloads > 0
    shorter = dataclasses.replace(SHORT, hours=0.2)
    part, again = run(shorter), run(shorter)
    other = run(dataclasses.replace(shorter, seed=7))
    assert part.digest == again.digest
    assert len({one.digest for one in (first, part, other)}) == 3
    assert other.violations == []


def test_nobody_at_a_border_enters_who_is_outside() -> None:
    outcome = run(SoakSettings(hours=0.3, people=40, seed=1, borders=True))
    assert [violation.text() for violation in outcome.violations] == []
    assert outcome.false_pairs == 0
    assert outcome.raised["restricted_entry"] > 2


Patch = Callable[[pytest.MonkeyPatch], None]


def no_distress(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CardFlags, "note", lambda *_: [])


def exit_on_silence(patch: pytest.MonkeyPatch) -> None:
    before = Mine._note_silence

    def note_silence(self: Mine, record: Any) -> Any:
        lost, back = before(self, record)
        for card in lost:
            name = self._table.name(card)
            for zone in list(self._occupancy._entered.get(card, {})):
                record.event(EventKind.ZONE_LEFT, record.now_ns, card=name, zone=zone)
                del self._occupancy._entered[card][zone]
        return lost, back

    patch.setattr(Mine, "_note_silence", note_silence)


def never_cleared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AlarmBook, "close", lambda *_: None)


def quota_off_by_one(patch: pytest.MonkeyPatch) -> None:
    before = Limits.__init__

    def init(self: Limits, *given: Any) -> None:
        before(self, *given)
        self._quotas = [
            (index, dataclasses.replace(zone, quota=(zone.quota or 0) + 1))
            for index, zone in self._quotas
        ]

    patch.setattr(Limits, "__init__", init)


def crossing_dropped(patch: pytest.MonkeyPatch) -> None:
    before, seen = ZoneMembership.update, [0]

    def update(self: ZoneMembership, fixes: Any) -> Any:
        crossings = before(self, fixes)
        seen[0] += len(crossings)
        return crossings[1:] if seen[0] % 7 == 0 else crossings

    patch.setattr(ZoneMembership, "update", update)


def headcount_wrong(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Cards, "underground", lambda self: (int(self.below_ns.astype(bool).sum()), 0))


def raised_twice(patch: pytest.MonkeyPatch) -> None:
    before = words.tell

    def tell(kind: EventKind, *given: Any, **more: Any) -> None:
        for _ in range(2 if kind is EventKind.ALARM_RAISED else 1):
            before(kind, *given, **more)

    patch.setattr("gateway.mine.alarms.book.tell", tell)


def no_entry_alarm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Occupancy, "_is_forbidden", lambda *_: False)


def zones_not_kept(patch: pytest.MonkeyPatch) -> None:
    before = CardKeeper.entries
    patch.setattr(CardKeeper, "entries", lambda self, cards, _: before(self, cards, {}))


def silence_unnoticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mine, "_tell_lost", lambda *_: None)


@pytest.mark.parametrize(
    ("plant", "laws"),
    [
        (no_distress, {"distress", "low_battery"}),
        (exit_on_silence, {"silent stays"}),
        (never_cleared, {"no entry alarm", "no device down", "alarms told", "silent"}),
        (quota_off_by_one, {"overcrowded"}),
        (crossing_dropped, {"by zone", "alternates", "is in", "is out", "headcount"}),
        (headcount_wrong, {"headcount"}),
        (raised_twice, {"one alarm"}),
        (no_entry_alarm, {"entry alarm"}),
        (zones_not_kept, {"kept zones", "kept headcount", "headcount", "alternates"}),
        (silence_unnoticed, {"silent", "signal lost"}),
    ],
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, plant: Patch, laws: set[str]
) -> None:
    plant(monkeypatch)
    outcome = run(CROWD, violations_most=1)
    assert {violation.complaint.law for violation in outcome.violations} & laws


#: What is put in the place of a part of the core, and which laws tell.
NOTHING: Callable[..., None] = lambda *_, **__: None  # noqa: E731 # it takes whatever comes

PUT: dict[str, tuple[type, str, Any, set[str]]] = {
    "no out_of_boundary": (Limits, "_strays", lambda _: [], {"out of boundary"}),
    "vehicles may not be in danger": (
        Occupancy,
        "_is_forbidden",
        lambda self, zone, card: (
            not self._roster.may_enter(card, zone.id) if zone.kind == "controlled" else True
        ),
        {"no entry alarm"},
    ),
    "cleared at once": (AlarmBook, "end", AlarmBook.close, {"cleared too early"}),
    "a standstill is silence": (Cards, "shift", NOTHING, {"no signal lost"}),
    "no fences": (MachineFences, "_judge", NOTHING, {"fence"}),
    "no crew": (MachineFences, "_may_be_in", lambda *_: False, {"no fence"}),
    "a machine always runs": (Poses, "_note_state", NOTHING, {"no fence", "no machine_uncertain"}),
    "machines are always known": (
        MachineFences,
        "_tell_uncertain",
        NOTHING,
        {"machine_uncertain"},
    ),
    "cutters unwatched": (Cutters, "look", NOTHING, {"cutter out"}),
    "nobody is near": (Proximity, "look", NOTHING, {"near danger_proximity"}),
    "no speed limit": (Vehicles, "_judge_speeds", NOTHING, {"overspeed"}),
    "ways uncounted": (FlowBook, "note", NOTHING, {"in = out + below"}),
    "exposure a second late": (
        ExposureBook,
        "_cross",
        lambda self, card, zone, t_ns, *, enters, before=ExposureBook._cross: before(
            self, card, zone, t_ns + 10**9, enters=enters
        ),
        {"exposure"},
    ),
    "visits never end": (VisitBook, "_leave", NOTHING, {"visits"}),
    "acts forgotten": (ActBook, "_remember", NOTHING, {"done once"}),
    "clocks unwatched": (Clocks, "note", NOTHING, {"clock_skew"}),
    "no leaps": (LeapWatch, "_raise", NOTHING, {"duplicate_card"}),
    "no twins": (TwinWatch, "_tell", NOTHING, {"dual_card"}),
    "hazards never overdue": (HazardBook, "look", NOTHING, {"hazard overdue"}),
    "routes unwatched": (RouteWatch, "look", NOTHING, {"route_deviation"}),
    "silent people are on the way": (
        MusterBook,
        "_state_of",
        lambda self, card, entry, zones, before=MusterBook._state_of: (
            MusterState.ON_THE_WAY if self._cards.silent[card] else before(self, card, entry, zones)
        ),
        {"muster"},
    ),
    "floods never end": (FloodBook, "tick", NOTHING, {"a flood ends"}),
    "limits not reloaded": (Limits, "reload", NOTHING, {"overcrowded", "not overcrowded"}),
    "what is hidden stays so": (HidingBook, "drop_over", lambda *_: False, {"mode", "shown"}),
    "returned cards stay": (IssueBook, "_take_out", NOTHING, {"by zone", "headcount"}),
}


#: Where what a bug is about comes up: what faults excuse almost always, and what comes rarely.
WHERE = {"no twins": QUIET, "no leaps": dataclasses.replace(BUSY, seed=11)}


@pytest.mark.parametrize("name", PUT)
def test_another_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    part, method, put, laws = PUT[name]
    monkeypatch.setattr(part, method, put)
    outcome = run(WHERE.get(name, BUSY), violations_most=1)
    assert {violation.complaint.law for violation in outcome.violations} & laws


#: Second cores go along all the time.
SHADOWED = dataclasses.replace(SHORT, hours=0.12, shadow_every=20)


def test_second_cores_tell_the_same_and_change_nothing() -> None:
    outcome = run(SHADOWED)
    assert [violation.text() for violation in outcome.violations] == []
    assert outcome.digest == run(dataclasses.replace(SHADOWED, shadow_every=0)).digest
    assert "--shadow-every 20" in SHADOWED.command()


def pending_not_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "gateway.mine.alarms.book.keep_alarm",
        lambda key, alarm, _, before=keep_alarm: before(key, alarm, None),
    )


def pending_forgotten(patch: pytest.MonkeyPatch) -> None:
    before = AlarmBook.reload

    def reload(self: AlarmBook, *given: Any) -> None:
        before(self, *given)
        self._pending.clear()

    patch.setattr(AlarmBook, "reload", reload)


@pytest.mark.parametrize(
    ("plant", "law"),
    [(pending_not_kept, "as after a restart"), (pending_forgotten, "as if nothing was read")],
)
def test_what_shows_late_is_found_beside_second_cores(
    monkeypatch: pytest.MonkeyPatch, plant: Patch, law: str
) -> None:
    plant(monkeypatch)
    outcome = run(SHADOWED, violations_most=1)
    assert outcome.violations[0].complaint.law == law


def test_a_failure_is_made_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    no_distress(monkeypatch)
    failed = run(SHORT, violations_most=1)
    shorter = shrink(failed, run)
    assert shorter.only == (failed.violations[0].complaint.card,)
    assert shorter.hours <= failed.violations[0].second / 3600 + 0.001
    assert shorter.without == KINDS.keys()
    assert run(shorter).violations
    assert shorter.command().startswith("lamproom soak --hours ")


def test_the_command_tells_what_is_wrong_and_how_to_repeat_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ["soak", "--hours", "0.03", "--people", "5", "--shift-h", "0.2", "--json"]
    good = CliRunner().invoke(app, given)
    assert good.exit_code == 0
    summary = json.loads(good.stdout.splitlines()[-1])
    assert summary["violations"] == summary["false_pairs"] == 0
    assert summary.keys() >= {"hours", "wall_s", "steps", "events", "digest"}
    same = CliRunner().invoke(app, [*given, "--expect", summary["digest"]])
    assert same.exit_code == 0
    other = CliRunner().invoke(app, [*given, "--expect", "0" * 64])
    assert other.exit_code == 1
    assert "something is told otherwise" in other.stderr
    raised_twice(monkeypatch)
    bad = CliRunner().invoke(app, [*given, "--without", "swap"])
    assert bad.exit_code == 1
    assert "seed 1: " in bad.stderr
    assert "one alarm" in bad.stderr
    assert "in short:   lamproom soak --hours " in bad.stderr
    assert json.loads(bad.stdout.splitlines()[-1])["violations"] > 0


@pytest.mark.parametrize("wrong", [["--without", "nothing"], ["--only", "7"]])
def test_what_can_not_be_is_refused(wrong: list[str]) -> None:
    result = CliRunner().invoke(app, ["soak", *wrong])
    assert result.exit_code == 1
    assert wrong[0] in result.stderr
