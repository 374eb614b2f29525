"""A soak passes with every fault, is the same by the same seed, and finds planted bugs."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.mine import alarm_words
from gateway.mine.alarms import AlarmBook
from gateway.mine.card_flags import CardFlags
from gateway.mine.card_kept import CardKeeper
from gateway.mine.cards import Cards
from gateway.mine.change import EventKind
from gateway.mine.core import Mine
from gateway.mine.limits import Limits
from gateway.mine.occupancy import Occupancy
from gateway.soak.faults import KINDS
from gateway.soak.plan import SoakSettings
from gateway.soak.run import run
from gateway.soak.shrink import shrink
from positioning.zones import ZoneMembership

#: People come and go all the time, so that much happens in little time.
SHORT = SoakSettings(hours=0.6, people=15, seed=5, shift_h=0.3)
#: Enough of them for quotas and for faults that are rare.
CROWD = dataclasses.replace(SHORT, people=40, seed=6)


def test_a_short_soak_with_every_fault_passes_and_is_repeatable() -> None:
    first, second = run(SHORT), run(SHORT)
    assert [violation.text() for violation in first.violations] == []
    assert first.digest == second.digest
    assert first.restarts > 0
    assert first.false_pairs == 0
    assert first.judged_share > 0.5
    assert {"distress", "signal_lost", "danger_proximity"} <= first.raised.keys()
    assert run(dataclasses.replace(SHORT, hours=0.2)).digest != first.digest
    assert run(dataclasses.replace(SHORT, hours=0.2, seed=7)).violations == []


def test_nobody_at_a_border_enters_who_is_outside() -> None:
    outcome = run(SoakSettings(hours=0.3, people=40, seed=1, borders=True))
    assert [violation.text() for violation in outcome.violations] == []
    assert outcome.false_pairs == 0
    assert outcome.raised["restricted_entry"] > 5


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
    before = alarm_words.tell

    def tell(kind: EventKind, *given: Any, **more: Any) -> None:
        for _ in range(2 if kind is EventKind.ALARM_RAISED else 1):
            before(kind, *given, **more)

    patch.setattr("gateway.mine.alarms.tell", tell)


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
