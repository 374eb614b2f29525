"""What the soak adds up once more, and what it asks of words and of the disk, can fail."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gateway.mine.acts import ActBook
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.change import EventKind
from gateway.mine.devices.anchors import AnchorBook
from gateway.mine.devices.links import Links
from gateway.mine.devices.notices import NoticeBook
from gateway.mine.muster.book import MusterBook
from gateway.mine.people.exposure import ExposureBook
from gateway.mine.prevention.risk import RiskBook
from gateway.mine.record import StepRecord
from gateway.mine.zones.visits import VisitBook
from gateway.soak.plan import SoakSettings
from gateway.soak.run import run

S = 1_000_000_000
#: All of it happens within minutes.
DENSE = SoakSettings(
    hours=0.14,
    people=18,
    seed=17,
    shift_h=0.2,
    oftener_most=10.0,
    act_gap_s=0.8,
    shift_min=2,
    muster_most_s=60.0,
)

Patch = Callable[[pytest.MonkeyPatch], None]


def before_each(owner: type, name: str, change: Callable[[Any], None]) -> Patch:
    """Has something changed before each call of a method."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        method = getattr(owner, name)

        def changed(self: Any, *given: Any, **more: Any) -> Any:
            change(self)
            return method(self, *given, **more)

        patch.setattr(owner, name, changed)

    return plant


def after_each(owner: type, name: str, change: Callable[[Any, Any], Any]) -> Patch:
    """Has what a method returns changed."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        method = getattr(owner, name)
        patch.setattr(owner, name, lambda self, *given: change(self, method(self, *given)))

    return plant


def skip_a_number(muster: MusterBook) -> None:
    muster._last_number += 1


def forget_when_it_was_told(notices: NoticeBook) -> None:
    notices._told_ns.clear()


def tell_all_shifts(exposure: ExposureBook) -> None:
    exposure._told = set(exposure._spent)


def keep_all_alarms(patch: pytest.MonkeyPatch) -> None:
    tick = AlarmBook.tick

    def keep_and_tick(alarms: AlarmBook, record: StepRecord) -> None:
        for key in alarms._alarms:
            alarms._save(key, record)
        tick(alarms, record)

    patch.setattr(AlarmBook, "tick", keep_and_tick)


def forget_hazards(risk: RiskBook) -> None:
    risk._hazards[:] = 0


def keep_old_names(patch: pytest.MonkeyPatch) -> None:
    before = RiskBook.__init__
    first: list[Any] = []

    def init(self: RiskBook, plan: Any, zones: Any, *given: Any) -> None:
        before(self, plan, zones, *given)
        first.extend(zones if not first else ())
        self._zones = first

    def put_back(self: RiskBook, done: Any) -> Any:
        self._zones = first
        return done

    patch.setattr(RiskBook, "__init__", init)
    after_each(RiskBook, "reload", put_back)(patch)


def say_nothing_of_starts(patch: pytest.MonkeyPatch) -> None:
    told = StepRecord.event

    def event(record: StepRecord, kind: EventKind, *given: Any, **more: Any) -> None:
        if kind is not EventKind.GATEWAY_STARTED:
            told(record, kind, *given, **more)

    patch.setattr(StepRecord, "event", event)


def say_nothing_of_other_rules(patch: pytest.MonkeyPatch) -> None:
    reload = AlarmBook.reload

    def in_silence(self: AlarmBook, *given: Any) -> None:
        with patch.context() as meanwhile:
            meanwhile.setattr("gateway.mine.alarms.book.tell", lambda *_, **__: None)
            reload(self, *given)

    patch.setattr(AlarmBook, "reload", in_silence)


def put_off_alarms(alarms: AlarmBook) -> None:
    for key, pending in alarms._pending.items():
        alarms._pending[key] = dataclasses.replace(pending, due_ns=pending.due_ns + S * 3 // 4)


def hurry_devices(links: Links) -> None:
    links._down = {device: (link, due_ns - S) for device, (link, due_ns) in links._down.items()}


BUGS: dict[str, Patch] = {
    "raised too late": before_each(AlarmBook, "tick", put_off_alarms),
    "device down early": before_each(Links, "note", hurry_devices),
    "start told": say_nothing_of_starts,
    "changed unsaid": say_nothing_of_other_rules,
    "kept anchor": lambda patch: patch.setattr(AnchorBook, "save", lambda *_: None),
    "muster told": after_each(MusterBook, "take", lambda *_: None),
    "muster's numbers": before_each(MusterBook, "_follow", skip_a_number),
    "lost data is grouped": before_each(NoticeBook, "note", forget_when_it_was_told),
    "shift is over": before_each(ExposureBook, "take", tell_all_shifts),
    "written": keep_all_alarms,
    "risk": before_each(RiskBook, "_score", forget_hazards),
    "names": keep_old_names,
    "anchor learnt": after_each(AnchorBook, "restore", lambda _, stats: np.zeros_like(stats)),
    "visits": after_each(VisitBook, "take", lambda *_: {}),
    "may be taken out": after_each(ActBook, "_do_service", lambda *_: "not now"),
}


def test_a_dense_soak_passes() -> None:
    outcome = run(DENSE)
    assert [violation.text() for violation in outcome.violations] == []
    assert {"muster_opened", "muster_closed", "data_lost", "data_refused"} <= outcome.told.keys()
    assert outcome.acts["card.replace"] > 2
    assert outcome.reloads > 2


@pytest.mark.parametrize("law", BUGS)
def test_a_planted_bug_breaks_its_law(monkeypatch: pytest.MonkeyPatch, law: str) -> None:
    BUGS[law](monkeypatch)
    assert law in {violation.complaint.law for violation in run(DENSE, 200).violations}
