"""Plays a case of `tests/cases/events` through the real core; README.md there has the language."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from equipment.profile import Kind
from equipment.report import LinkChange, LinkState, Quality, RecordBatch, Sample, Value
from gateway.config.bundle import Bundle, load
from gateway.config.comparison import compare
from gateway.device_health import DeviceHealth
from gateway.extent import extent_of
from gateway.inbox import DeviceInbox, Inbox
from gateway.mine.change import Batch, Changes
from gateway.mine.core import Mine
from gateway.mine.prepared import Reload, prepare
from gateway.plans.mine import plan_of
from positioning.observation import PLACE, CardFlag, IdTable, measurements
from tests.gateway.event_case import CaseError, Line, S, lay, lines_of
from tests.gateway.event_desk import Desk
from tests.gateway.event_words import Words

#: How sure a `PLACE` is, the variance in m².
SURE_M2: Final = 0.01
CARD_HEIGHT_M: Final = 1.0
FLOOR_M: Final = -400.0
REACH_M: Final = 70.0

Cut = Callable[[Batch], Iterable[Batch]]


def whole(batch: Batch) -> Iterable[Batch]:
    """All of a second in one batch."""
    return (batch,)


@dataclass(slots=True)
class Walker:
    """A card as it really is: where, whither, how it is measured, and what it says of itself."""

    how: str = ""  # "place", "ranges" or nothing
    x_m: float = 0.0
    y_m: float = 0.0
    to_m: float = 0.0
    speed_m_s: float = 0.0
    also_m: float | None = None  # another card of the same number is there
    flags: int = 0

    def go_on(self) -> None:
        left_m = self.to_m - self.x_m
        step_m = min(abs(left_m), self.speed_m_s)
        self.x_m += step_m if left_m > 0 else -step_m


class Play(Desk):
    """A core, what is told to it, and what it tells: `lines` are those of `expected.txt`."""

    def __init__(self, case: str, folder: Path, cut: Cut = whole) -> None:
        super().__init__()
        self.case, self.folder, self._cut = case, folder, cut
        lay(folder, case)
        self.bundle = load(folder)
        self.input, self.lines = lines_of(case, self.bundle.timezone)
        self.state: dict[str, bytes] = {}
        self.walkers: dict[str, Walker] = {}
        self._offset_s: dict[str, float] = {}
        self._name()
        self.now_ns = self.input[0].t_ns

    def _name(self) -> None:
        people = {person.card: person.name for person in self.bundle.people}
        if hasattr(self, "words"):
            self.words.names = people
        else:
            self.words = Words(people, self.bundle.timezone)
        self._cards = {name: card for card, name in people.items()}

    def run(self) -> str:
        """All of it; the transcript."""
        self._start()
        for line in self.input[1:]:
            while self.now_ns < line.t_ns:
                self.second()
            if line.words != ("end",):
                self.lines += self.words.line(line)
            try:
                self._do(line)
            except (ValueError, KeyError, IndexError) as error:
                msg = f"{self.case}/input.txt:{line.number}: {line.text!r}: {error!r}"
                raise CaseError(msg) from error
        self._step()
        return "\n".join(self.lines) + "\n"

    def _start(self) -> None:
        self.table, self.inbox = IdTable(), Inbox()
        first = 1 + sum(len(changes.events) for changes in self.told)
        self.mine = Mine(plan_of(self.bundle), self.table, first, dict(self.state))
        self.devices: dict[str, DeviceInbox] = {}
        self.forget()
        self._use()
        self._note(self.mine.begin(self.now_ns))

    def _use(self) -> None:
        """Readers as the gateway has them: with the indices of the map."""
        anchors = IdTable(tuple(anchor.id for anchor in self.bundle.map.anchors))
        readers = IdTable(tuple(reader.id for reader in self.bundle.map.readers))
        extent = extent_of(self.bundle.map)
        tolerance_ns = round(self.bundle.settings.positioning.clock_tolerance_s * S)
        for setup in self.bundle.devices:
            name, kind = setup.device.id, setup.profile.kind
            if name in self.devices:
                self.devices[name].use(anchors, readers, extent, tolerance_ns)
            else:
                self.devices[name] = DeviceInbox(
                    name,
                    kind,
                    self.inbox,
                    cards=self.table,
                    anchors=anchors,
                    readers=readers,
                    extent=extent,
                    clock_tolerance_ns=tolerance_ns,
                    now_ns=lambda: self.now_ns,
                    health=DeviceHealth(name, self.now_ns),
                )

    def second(self) -> None:
        """A step of what has gathered, then a second goes by and everyone is measured."""
        self._step()
        self.now_ns += S
        for card, walker in self.walkers.items():
            if walker.how:
                walker.go_on()
                self._measure(card, walker, self.now_ns)

    def _step(self) -> None:
        for batch in self._cut(self.inbox.take()):
            self._note(self.mine.step(batch, self.now_ns))

    def _note(self, changes: Changes) -> None:
        self.told.append(changes)
        for key, value in changes.state.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.take(changes)

    # What a line says.

    def _do(self, line: Line) -> None:
        first, *rest = line.words
        doers: dict[str, Callable[..., None]] = {
            "#": lambda: None,
            "end": lambda: None,
            "show": self._show,
            "restart": functools.partial(self._restart, clean=True),
            "kill": functools.partial(self._restart, clean=False),
            "reload": self._reload,
            "pause": self._pause,
            "operator": self.act,
            "journal": self._journal,
        }
        if first in doers:
            doers[first](*rest)
        elif first in self.devices:
            self._device(first, *rest)
        else:
            for name in first.split(","):
                self._card(self.card_of(name), *rest)

    def _card(self, card: str, verb: str, *rest: str) -> None:
        walker = self.walkers.setdefault(card, Walker())
        ways = {"at": "place", "to": "place", "ranged": "ranges"}
        if verb in ways:
            walker.how = ways[verb]
            given = rest[1:] if verb == "ranged" else rest
            self._send(walker, rest[0] if verb == "ranged" else verb, *given)
            self._measure(card, walker, self.now_ns)
        elif verb == "silent":
            walker.how = ""
        elif verb == "seen":
            self._seen(card, rest[1], walker.flags, self.now_ns)
        elif verb in ("button", "battery"):
            flag = CardFlag.DISTRESS if verb == "button" else CardFlag.LOW_BATTERY
            is_set = {"pressed": True, "released": False, "low": True, "full": False}[rest[0]]
            walker.flags = walker.flags | flag if is_set else walker.flags & ~flag
            if walker.how:
                self._measure(card, walker, self.now_ns)
        elif verb == "was":
            self._was(card, *rest)
        else:
            msg = f"a card can't {verb!r}"
            raise ValueError(msg)

    @staticmethod
    def _send(walker: Walker, verb: str, *given: str) -> None:
        """`at X [Y]`, `at X and X` or `to X at SPEED`."""
        walker.to_m, walker.also_m = float(given[0]), None
        if verb == "to":
            walker.speed_m_s = float(given[2])
            return
        walker.x_m, walker.speed_m_s, walker.y_m = walker.to_m, 0.0, 0.0
        if given[1:2] == ("and",):
            walker.also_m = float(given[2])
        elif given[1:]:
            walker.y_m = float(given[1])

    def _was(self, card: str, *rest: str) -> None:
        """`at X S s ago [button] [battery]`, or `seen by READER S s ago …`: what comes late."""
        words = list(rest)
        flags = 0
        for word, flag in (("button", CardFlag.DISTRESS), ("battery", CardFlag.LOW_BATTERY)):
            if words[-1] == word:
                words.pop()
                flags |= flag
        t_ns = self.now_ns - round(float(words[-3]) * S)
        if words[0] == "seen":
            self._seen(card, words[2], flags, t_ns)
        else:
            how = "ranges" if words[0] == "ranged" else "place"
            walker = Walker(how, x_m=float(words[words.index("at") + 1]), flags=flags)
            self._measure(card, walker, t_ns)

    def _measure(self, card: str, walker: Walker, t_ns: int) -> None:
        if walker.how == "ranges":
            for x_m in (walker.x_m, walker.also_m):
                if x_m is not None:
                    self._range(card, x_m, walker, t_ns)
            return
        row = (self.table.handle(card), t_ns, walker.x_m, walker.y_m, SURE_M2, 0.0, SURE_M2)
        measured = measurements(np.array([row], PLACE))
        measured["flags"] = walker.flags
        self.inbox.put_measured(measured)

    def _range(self, card: str, x_m: float, walker: Walker, t_ns: int) -> None:
        place = (x_m, walker.y_m, FLOOR_M + CARD_HEIGHT_M)
        found = [
            (
                anchor.id,
                float(np.linalg.norm(np.subtract((anchor.x_m, anchor.y_m, anchor.z_m), place))),
            )
            for anchor in self.bundle.map.anchors
        ]
        found = [(anchor, range_m) for anchor, range_m in found if range_m < REACH_M]
        columns = {
            "anchor": np.array([anchor for anchor, _ in found], object),
            "range_m": np.array([range_m for _, range_m in found]),
        }
        self._records(self._uwb(), card, walker.flags, t_ns, columns)

    def _uwb(self) -> str:
        readers = (s for s in self.bundle.devices if s.profile.kind is Kind.UWB_READER)
        return next(readers).device.id

    def _seen(self, card: str, reader: str, flags: int, t_ns: int) -> None:
        self._records(reader, card, flags, t_ns, {"card": np.array([card], object)})

    def _records(
        self, device: str, card: str, flags: int, t_ns: int, columns: dict[str, Any]
    ) -> None:
        """Records of a reader with its own clock, as its driver gives them."""
        count = len(next(iter(columns.values())))
        offset_ns = round(self._offset_s.get(device, 0.0) * S)
        columns = {
            "t_us": np.full(count, (t_ns + offset_ns) // 1000, np.int64),
            "card": np.array([card] * count, object),
            "flags": np.full(count, flags, np.int64),
            **columns,
        }
        self.devices[device].records(
            RecordBatch(device, columns, self.now_ns, self.now_ns + offset_ns)
        )

    def _device(self, device: str, what: str, *rest: str) -> None:
        if what in ("up", "down"):
            state = LinkState.UP if what == "up" else LinkState.DOWN
            self.inbox.put_link(LinkChange(device, state, " ".join(rest), self.now_ns))
        elif what == "clock":
            self._offset_s[device] = float(rest[0])
            nothing = np.array([], object)
            self._records(device, "", 0, self.now_ns, {"anchor": nothing, "range_m": np.zeros(0)})
        else:
            quality = Quality[rest[1].upper()] if len(rest) > 1 else Quality.GOOD
            sample = Sample(device, what, _value(rest[0]), quality, "", None, self.now_ns)
            self.devices[device].samples([sample])

    def _journal(self, what: str, *reason: str) -> None:
        self.inbox.put_journal("events", " ".join(reason) if what == "fails" else "")

    def _show(self, what: str) -> None:
        self._step()
        self.show(what)

    def _restart(self, *rest: str, clean: bool) -> None:
        """`[after S] [with FOLDER]`; a kill loses what waits and tells nothing any more."""
        given = dict(zip(rest[::2], rest[1::2], strict=True))
        if clean:
            self._step()
            self._note(self.mine.end(self.now_ns))
        if "with" in given:
            lay(self.folder, self.case, given["with"])
            self.bundle = load(self.folder)
            self._name()
        self._pause(given.get("after", "0"))
        self._start()

    def _pause(self, seconds: str) -> None:
        """No step for so long: the gateway, or its machine, stands still."""
        for _ in range(int(seconds)):
            self.now_ns += S
            for walker in self.walkers.values():
                walker.go_on()

    def _reload(self, part: str) -> None:
        self._step()
        before = self.bundle
        lay(self.folder, self.case, part)
        self.bundle = load(self.folder)
        changes = compare(before.texts, self.bundle.texts)
        text = f"instead of {before.label}: {'; '.join(map(str, changes))}"
        prepared = prepare(plan_of(before), plan_of(self.bundle))
        self._name()
        self._use()
        self._note(self.mine.reload(Reload(text, prepared), self.now_ns))


def _value(text: str) -> Value | None:
    words: dict[str, Value | None] = {"true": True, "false": False, "none": None}
    if text in words:
        return words[text]
    try:
        return float(text)
    except ValueError:
        return text


def play(case: str, folder: Path, cut: Cut = whole) -> Play:
    """A case played to its end; `Play.lines` has what came of it."""
    played = Play(case, folder, cut)
    played.run()
    return played


def bundle_of(case: str, folder: Path) -> Bundle:
    """A case's configuration as the gateway loads it."""
    lay(folder, case)
    return load(folder)
