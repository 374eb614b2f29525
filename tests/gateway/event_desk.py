"""What operators ask for in a case of `tests/cases/events`, and what is shown beside events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from gateway.config.bundle import Bundle
from gateway.inbox import Inbox
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.change import Act, ActKind, Alarm, Changes
from gateway.mine.muster.card import MusterCall, MusterCard
from tests.gateway.event_words import Words

S = 1_000_000_000


class Desk:
    """The part of a play that knows what a client knows."""

    bundle: Bundle
    inbox: Inbox
    words: Words
    now_ns: int

    def __init__(self) -> None:
        self.told: list[Changes] = []
        self.alarms: dict[str, Alarm] = {}
        self.lines: list[str] = []
        self._cards: dict[str, str] = {}  # by name
        self._requests = 0
        self.forget()

    def forget(self) -> None:
        """What begins anew with a gateway."""
        self.visits: dict[Any, Any] = {}
        self.exposure: dict[str, Any] = {}
        self.muster_cards: dict[str, MusterCard] = {}
        self.muster_id = ""
        self.issued: dict[str, str] = {}
        self.hazards: dict[str, Any] = {}
        self.risk: Any = None

    def card_of(self, name: str) -> str:
        """The card of someone in people.csv, or a card itself."""
        card = self._cards.get(name, name)
        if not card.isdigit():
            msg = f"nobody is called {name!r}"
            raise ValueError(msg)
        return card

    def take(self, changes: Changes) -> None:
        """Notes what a step has changed, and writes down what it tells."""
        self.alarms |= changes.alarms
        self.visits |= changes.visits
        self.exposure |= {one.shift.id: one for one in changes.exposure}
        if changes.issued is not None:
            self.issued = dict(changes.issued)
        if changes.prevention:
            self.hazards |= changes.prevention.hazards
            if changes.prevention.risk is not None:
                self.risk = changes.prevention.risk
        if changes.muster:
            if changes.muster.fresh:
                self.muster_cards.clear()
            self.muster_cards |= {one.card: one for one in changes.muster.cards}
            self.muster_id = changes.muster.muster.id if changes.muster.muster else ""
        for event in changes.events:
            self.lines += self.words.day(event.record_t_ns)
            self.lines.append(self.words.event(event))
        for answer in changes.answers:
            if answer.refusal:
                self.lines.append(f"refused: {answer.refusal}")
            elif answer.again:
                self.lines.append("answered before")

    def act(self, who: str, what: str, *rest: str) -> None:
        """Puts what an operator does into the inbox."""
        words, note = list(rest), ""
        if "--" in words:
            at = words.index("--")
            words, note = words[:at], " ".join(words[at + 1 :])
        kind, subject, detail = self._asked(what, words)
        self._requests += 1
        act = Act(f"request-{self._requests}", who, kind, subject, note)
        if "for" in words and kind in (ActKind.SHELVE, ActKind.OUT_OF_SERVICE):
            until_s = float(words[words.index("for") + 1])
            act = replace(act, until_t_ns=self.now_ns + round(until_s * S))
        self.inbox.put_act(replace(act, detail=tuple(sorted(detail.items()))))

    def _asked(self, what: str, words: list[str]) -> tuple[ActKind, str, dict[str, str]]:
        detail = dict(word.split("=", 1) for word in words if "=" in word)
        if "due_s" in detail:
            due_ns = self.now_ns + round(float(detail.pop("due_s")) * S)
            detail["due_t_ns"] = str(due_ns)
        plain = [word for word in words if "=" not in word]
        if what in ("out_of_service", "in_service"):
            return ActKind(f"alarm.{what}"), AlarmKey(plain[0]).text, detail
        if what in ("acknowledge", "reset", "shelve", "unshelve"):
            asked = plain[: plain.index("for")] if "for" in plain else plain
            return ActKind(f"alarm.{what}"), self._alarm(*asked), detail
        if what == "muster":
            zones = tuple(word for word in plain if word not in ("mine", "drill"))
            return ActKind.MUSTER_OPEN, MusterCall(zones, "drill" in plain).text, detail
        if what == "close_muster":
            return ActKind.MUSTER_CLOSE, self.muster_id, detail
        if what in ("issue", "return", "replace"):
            cards = "/".join(self.card_of(word) for word in plain)
            return ActKind(f"card.{what}"), cards, detail
        hazard = f"hazard-{plain[0]}" if plain and plain[0].isdigit() else "".join(plain[:1])
        hazard = self._newest(what) if hazard == "newest" else hazard
        return ActKind(f"hazard.{what}"), hazard, detail

    def _newest(self, what: str) -> str:
        if not self.hazards:
            msg = f"there is no hazard to {what}"
            raise ValueError(msg)
        return list(self.hazards)[-1]

    def _alarm(self, rule: str, *subjects: str) -> str:
        """The id of the newest alarm of a rule that is about all these."""
        asked = {self._cards.get(subject, subject) for subject in subjects}
        for alarm in reversed(self.alarms.values()):
            about = {alarm.card, alarm.zone, alarm.device, alarm.limit, alarm.machine, alarm.hazard}
            if alarm.rule == rule and asked <= about:
                return alarm.id
        return f"{rule}-0"

    def show(self, what: str) -> None:
        """Writes down what is known of something now."""
        self.lines += [f"  {line}" for line in getattr(self, f"_show_{what}")()]

    def _show_count(self) -> Iterable[str]:
        return self.words.count(self.told[-1])

    def _show_visits(self) -> Iterable[str]:
        kept = [one for _, one in sorted(self.visits.items()) if one is not None]
        return map(self.words.visit, kept)

    def _show_exposure(self) -> Iterable[str]:
        for _, one in sorted(self.exposure.items()):
            yield from self.words.exposure(one)

    def _show_alarms(self) -> Iterable[str]:
        kept = (one for one in self.alarms.values() if one.state.name != "NORMAL")
        return list(map(self.words.alarm, kept)) or ["none"]

    def _show_cards(self) -> Iterable[str]:
        return [f"{card}: {self.words.name(of)}" for card, of in sorted(self.issued.items())]

    def _show_muster(self) -> Iterable[str]:
        for one in self.muster_cards.values():
            way = f", {one.way.length_m:.0f} m to {one.way.zone}" if one.way else ""
            since = self.words.clock(one.changes[-1][1])
            state = one.state.name.lower()
            yield f"{self.words.name(one.card)}: {state} since {since}{way}{one.cut_off}"

    def _show_risk(self) -> Iterable[str]:
        for zone, row in zip(self.bundle.map.zones, self.risk, strict=True):
            parts = [
                f"{name} {row[name]:.1f}"
                for name in ("points", "hazards", "alarms", "machines", "past", "people")
                if row[name]
            ]
            if parts:
                yield f"{zone.id}: {row['score']:.1f}, grade {row['grade']}: {', '.join(parts)}"
