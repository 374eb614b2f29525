"""Where machines are and whether they run, and how far that can be believed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from equipment.report import Quality, Sample, Value
from gateway.mine.devices.readings import is_beyond
from gateway.mine.machines.plan import AlongRoadway, Fixed, Machine, OnCards
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.sameness import same
from positioning.fences import POSE
from positioning.mine_map import Roadway
from positioning.observation import FixClass

#: Where the journal's state holds machines.
STATE_PREFIX: Final = "machine/"
#: Machines that have moved are kept within this many seconds, one part of them each second.
SAVE_PARTS: Final = 5

#: A value that lies so far beyond its roadway's ends is none, metres: surveys differ by less.
BEYOND_MOST_M: Final = 20.0
#: Nearer together than this, metres, two cards tell no direction.
_APART_LEAST_M: Final = 1.0
#: A machine's place across its roadway, metres (one sigma): it fills most of it.
_ACROSS_M: Final = 0.3
#: Fixes that say where a card is: one that is ambiguous may be in another roadway.
_PLACED: Final = (FixClass.PRECISE, FixClass.ROADWAY, FixClass.ZONE, FixClass.EXTRAPOLATED)

_S_NS: Final = 1_000_000_000

Flags = NDArray[np.bool_]


class _Line:
    """A roadway's centreline, to be walked along."""

    def __init__(self, roadway: Roadway) -> None:
        lengths_m = np.linalg.norm(np.diff(roadway.centreline_m, axis=0), axis=1)
        # Numbers of Python: there is one place at a time to find.
        self._points_m: list[list[float]] = roadway.centreline_m.tolist()
        self._at_m: list[float] = [0.0, *np.cumsum(lengths_m).tolist()]
        self.length_m = self._at_m[-1]

    def at(self, chainage_m: float) -> tuple[float, float, float, float]:
        """x, y, z of the floor and the direction of the centreline there, degrees."""
        piece = bisect_right(self._at_m, chainage_m, 1, len(self._at_m) - 1) - 1
        start, end = self._points_m[piece], self._points_m[piece + 1]
        share = (chainage_m - self._at_m[piece]) / (self._at_m[piece + 1] - self._at_m[piece])
        x_m, y_m, z_m = (a + share * (b - a) for a, b in zip(start, end, strict=True))
        return x_m, y_m, z_m, math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))


class Poses:
    """The poses of all machines, by their index in the plan.

    `poses`, (n,) POSE: not finite where nothing was ever known; `z_m` is that of the floor.
    `stale`, (n,): the place is older than may be believed, or there never was one; it stands all
    the same. `runs`, (n,): whether the fence is active; so it is where that is `unsure`, (n,).
    """

    def __init__(self, plan: MinePlan, cards: Cards, roster: Roster) -> None:
        machines = self._machines = plan.machines
        count = len(machines)
        self._cards, self._roster = cards, roster
        self._card_height_m = plan.card_height_m
        self._tolerance_ns = round(plan.clock_tolerance_s * _S_NS)
        self._lines = [_Line(roadway) for roadway in plan.map.roadways]
        self._line_of = {roadway.id: i for i, roadway in enumerate(plan.map.roadways)}
        self.poses = np.zeros(count, POSE)
        for name in ("x_m", "y_m", "z_m", "heading_deg"):
            self.poses[name] = np.nan
        self._heard_ns = np.zeros(count, np.int64)
        self._said_ns = np.zeros(count, np.int64)  # whether it runs
        self._stale_ns = np.array([round(m.stale_s * _S_NS) for m in machines], np.int64)
        self._is_fixed = np.array([isinstance(m.pose, Fixed) for m in machines], np.bool_)
        self._asks = np.array([m.active is not None for m in machines], np.bool_)
        self.stale = ~self._is_fixed
        self._value_runs = np.ones(count, np.bool_)
        self.runs = np.ones(count, np.bool_)
        self.unsure = self._asks.copy()
        self._unsaved = np.zeros(count, np.bool_)
        self._places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._states: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for index, machine in enumerate(machines):
            self._take_up(index, machine)
        self._asked = self._places.keys() | self._states.keys()
        self._handles = self._seen_ns = np.zeros(0, np.int64)
        self.mount()
        self._seen_ns[:] = 0

    def mount(self) -> None:
        """Takes up which cards are on machines: those that the holders of the plan's have now.

        A machine is where it was until one that is new on it is located.
        """
        seen_ns = dict(zip(self._handles.tolist(), self._seen_ns.tolist(), strict=True))
        self._mounted: list[tuple[int, tuple[int, ...]]] = []
        for index, machine in enumerate(self._machines):
            names = [self._roster.card_of(card) for card in machine.cards]
            handles = tuple(self._roster.handle(name) for name in names if name)
            if handles:
                self._mounted.append((index, handles))
        self._handles = np.array([h for _, hs in self._mounted for h in hs], np.int64)
        last_ns = self._cards.last["t_ns"]
        self._seen_ns = np.array(
            [
                seen_ns.get(card, int(last_ns[card]) if card < len(last_ns) else 0)
                for card in self._handles.tolist()
            ],
            np.int64,
        )

    @property
    def mounted(self) -> set[int]:
        """The cards on machines, by handle."""
        return set(self._handles.tolist())

    def _take_up(self, index: int, machine: Machine) -> None:
        pose = machine.pose
        if machine.active:
            self._states[machine.active.device, machine.active.point].append(index)
        if isinstance(pose, AlongRoadway):
            self._places[pose.device, pose.point].append(index)
        elif isinstance(pose, Fixed):
            z_m = math.nan if pose.z_m is None else pose.z_m
            var_m2 = pose.sigma_m**2
            place = (0, pose.x_m, pose.y_m, z_m, pose.heading_deg, var_m2, 0.0, var_m2)
            self.poses[index] = place

    def go_on(
        self, before: Poses, newest: Mapping[tuple[str, str], Sample], record: StepRecord
    ) -> None:
        """Takes over what was known with another configuration.

        A machine stays where it was. Of one whose place or state now comes from something else,
        `newest`, the last value of each point, tell it; before any, one that was set up at a place
        has been there until now. Machines that are gone are forgotten.
        """
        known = {machine.id: index for index, machine in enumerate(before._machines)}
        changed = set()
        for index, machine in enumerate(self._machines):
            was = known.pop(machine.id, None)
            if was is not None:
                self._go_on_with(index, before, was, record.now_ns)
            if was is None or not same(_sources(machine), _sources(before._machines[was])):
                changed.add(index)
        for name in known:
            record.state[STATE_PREFIX + name] = None
        seen_ns = dict(zip(before._handles.tolist(), before._seen_ns.tolist(), strict=True))
        mounted = [(index, card) for index, cards in self._mounted for card in cards]
        self._seen_ns[:] = [0 if i in changed else seen_ns.get(c, 0) for i, c in mounted]
        for index in sorted(changed):
            self._ask(index, newest)
        judged = self._judged(record.now_ns)
        for index in changed:
            self.stale[index], self.unsure[index], self.runs[index] = (one[index] for one in judged)
            self._unsaved[index] = True

    def _go_on_with(self, index: int, before: Poses, was: int, now_ns: int) -> None:
        machine, other = self._machines[index], before._machines[was]
        if not self._is_fixed[index]:
            self.poses[index] = before.poses[was]
            self._heard_ns[index] = now_ns if before._is_fixed[was] else before._heard_ns[was]
            self.stale[index] = before.stale[was]
        if same(_sources(machine)[1:], _sources(other)[1:]):
            self._value_runs[index] = before._value_runs[was]
            self._said_ns[index] = before._said_ns[was]
            self.unsure[index], self.runs[index] = before.unsure[was], before.runs[was]
        self._unsaved[index] = before._unsaved[was]

    def _ask(self, index: int, newest: Mapping[tuple[str, str], Sample]) -> None:
        """Takes the last values of a machine's points, as old as they are."""
        pose, active = self._machines[index].pose, self._machines[index].active
        sample = newest.get((pose.device, pose.point)) if isinstance(pose, AlongRoadway) else None
        if sample and sample.value is not None and sample.quality is not Quality.BAD:
            self._place_along(index, sample.value, sample.receive_t_ns)
        sample = newest.get((active.device, active.point)) if active else None
        if sample and sample.value is not None and sample.quality is not Quality.BAD:
            self._note_state(index, sample.value, sample.receive_t_ns)

    def restore(self, state: Mapping[str, bytes], record: StepRecord) -> None:
        """Takes up the places of before a restart; they count as heard now.

        Who did not listen knows of no silence: a machine gets its time to be heard again. Machines
        that are gone are forgotten.
        """
        now_ns = record.now_ns
        self._seen_ns[:] = 0
        known = {STATE_PREFIX + machine.id for machine in self._machines}
        gone = {key for key in state if key.startswith(STATE_PREFIX)} - known
        record.state.update(dict.fromkeys(sorted(gone)))
        for index, machine in enumerate(self._machines):
            kept = from_json(state.get(STATE_PREFIX + machine.id, b"{}"))
            if not kept:
                continue
            self._value_runs[index] = kept["runs"]
            self._said_ns[index] = now_ns
            if not self._is_fixed[index]:
                self.poses[index] = tuple(kept["pose"])
                self.poses["t_ns"][index] = min(kept["pose"][0], now_ns)
                self._heard_ns[index] = now_ns
        self._judge(now_ns)

    def doubt(self, name: str, now_ns: int) -> None:
        """After a restart: of this machine nothing is known until it is heard."""
        for index in (i for i, machine in enumerate(self._machines) if machine.id == name):
            before_ns = now_ns - int(self._stale_ns[index]) - 1
            heard_ns = min(int(self.poses["t_ns"][index]), before_ns)
            self._heard_ns[index] = heard_ns if self.is_placed(index) else 0
            self._said_ns[index] = min(int(self._said_ns[index]), before_ns)
        self._judge(now_ns)

    def shift(self, by_ns: int) -> None:
        """Leaves out a time in which the gateway did not listen."""
        for times_ns in (self._heard_ns, self._said_ns):
            times_ns[times_ns > 0] += by_ns

    def look(self, samples: Sequence[Sample], record: StepRecord) -> set[int]:
        """Takes values in their order and the cards' last places.

        Returns those machines of which it is now known otherwise whether they run, or where.
        """
        for sample in samples:
            where = (sample.device, sample.point)
            value = sample.value
            if where not in self._asked or value is None or sample.quality is Quality.BAD:
                continue
            for index in self._places.get(where, ()):
                self._place_along(index, value, sample.receive_t_ns)
            for index in self._states.get(where, ()):
                self._note_state(index, value, sample.receive_t_ns)
        if len(self._handles):
            self._follow_cards(record.now_ns)
        return self._judge(record.now_ns)

    def save(self, record: StepRecord, part: int) -> None:
        """Keeps the machines of one of `SAVE_PARTS` parts of which something is new."""
        mine = np.arange(len(self._unsaved)) % SAVE_PARTS == part
        due = np.flatnonzero(self._unsaved & mine)
        for index in due.tolist():
            pose = [value.item() for value in self.poses[index]]
            kept = {"pose": pose, "runs": bool(self._value_runs[index])}
            record.state[STATE_PREFIX + self._machines[index].id] = to_json(kept)
        self._unsaved[due] = False

    def age_s(self, index: int, now_ns: int) -> float:
        """How long ago a machine's place was heard, seconds."""
        return (now_ns - int(self._heard_ns[index])) / _S_NS

    def is_placed(self, index: int) -> bool:
        """Whether there is a place, or ever was."""
        return math.isfinite(self.poses["x_m"][index])

    def _judge(self, now_ns: int) -> set[int]:
        """Finds out what can still be believed; returns the machines where that has changed."""
        stale, unsure, runs = self._judged(now_ns)
        changed = (stale != self.stale) | (unsure != self.unsure) | (runs != self.runs)
        self.stale, self.unsure, self.runs = stale, unsure, runs
        return set(np.flatnonzero(changed).tolist())

    def _judged(self, now_ns: int) -> tuple[Flags, Flags, Flags]:
        """What is stale, unsure and running at a time."""
        stale = ~self._is_fixed & (now_ns - self._heard_ns > self._stale_ns)
        unsure = self._asks & (now_ns - self._said_ns > self._stale_ns)
        return stale, unsure, self._value_runs | unsure

    def _place_along(self, index: int, value: Value, t_ns: int) -> None:
        pose = self._machines[index].pose
        assert isinstance(pose, AlongRoadway)
        if isinstance(value, str) or not math.isfinite(value) or t_ns < self._heard_ns[index]:
            return
        line = self._lines[self._line_of[pose.roadway]]
        at_m = value + pose.offset_m
        if not -BEYOND_MOST_M <= at_m <= line.length_m + BEYOND_MOST_M:
            return
        chainage_m = line.length_m - at_m if pose.from_end else at_m
        x_m, y_m, z_m, along_deg = line.at(min(max(chainage_m, 0.0), line.length_m))
        heading_deg = along_deg + (180.0 if pose.from_end != pose.reversed else 0.0)
        spread_m2 = _spread(along_deg, pose.sigma_m**2, _ACROSS_M**2)
        self._put(index, (t_ns, x_m, y_m, z_m, heading_deg, *spread_m2), t_ns)

    def _note_state(self, index: int, value: Value, t_ns: int) -> None:
        machine = self._machines[index]
        assert machine.active is not None
        if t_ns >= self._said_ns[index]:
            is_so = is_beyond(machine.active, value, 0.0)
            runs = is_so != machine.active_unless
            self._unsaved[index] |= runs != self._value_runs[index]
            self._value_runs[index] = runs
            self._said_ns[index] = t_ns

    def _put(self, index: int, pose: tuple[float, ...], heard_ns: int) -> None:
        self.poses[index] = pose
        self._heard_ns[index] = heard_ns
        self._unsaved[index] = True

    def _follow_cards(self, now_ns: int) -> None:
        """Takes the places of the cards that are mounted on machines, where they are new."""
        seen_ns = self._cards.last["t_ns"][self._handles]
        moved = seen_ns != self._seen_ns
        if not moved.any():
            return
        self._seen_ns = seen_ns
        moving = set(self._handles[moved].tolist())
        for index, handles in self._mounted:
            new = [handle for handle in handles if handle in moving and self._has_place(handle)]
            if new:
                self._place_by_cards(index, handles, new, now_ns)

    def _has_place(self, handle: int) -> bool:
        return int(self._cards.last["fix_class"][handle]) in _PLACED

    def _place_by_cards(
        self, index: int, handles: Sequence[int], new: Sequence[int], now_ns: int
    ) -> None:
        """By both cards where both are known; else by the one, with the heading there was."""
        last, pose = self._cards.last, self._machines[index].pose
        assert isinstance(pose, OnCards)
        fixes = last[list(handles)]
        t_ns = int(last["t_ns"][list(new)].max())
        recent = [
            fix
            for fix, handle in zip(fixes, handles, strict=True)
            if self._has_place(handle) and t_ns - fix["t_ns"] <= self._stale_ns[index]
        ]
        heading_deg = self.poses["heading_deg"][index]
        if len(self._machines[index].cards) == 1 or not math.isfinite(heading_deg):
            heading_deg = self._heading_deg(recent[0], pose)
        if len(recent) > 1:
            dx, dy = (float(recent[0][name] - recent[1][name]) for name in ("x_m", "y_m"))
            if math.hypot(dx, dy) >= _APART_LEAST_M:
                heading_deg = math.degrees(math.atan2(dy, dx))
        share = 1.0 / len(recent)
        x_m, y_m, z_m = (
            share * sum(float(fix[name]) for fix in recent) for name in ("x_m", "y_m", "z_m")
        )
        spread_m2 = [
            share * share * sum(float(fix[name]) for fix in recent)
            for name in ("var_x_m2", "cov_xy_m2", "var_y_m2")
        ]
        heard_ns = now_ns if t_ns >= now_ns - self._tolerance_ns else t_ns
        z_m -= self._card_height_m
        self._put(index, (t_ns, x_m, y_m, z_m, heading_deg, *spread_m2), heard_ns)

    def _heading_deg(self, fix: np.void, pose: OnCards) -> float:
        """The direction of the roadway that a card is in; of its own where it is in none."""
        roadway = int(fix["roadway"])
        if roadway < 0 or not math.isfinite(fix["chainage_m"]):
            return pose.heading_deg
        line = self._lines[roadway]
        chainage_m = min(max(float(fix["chainage_m"]), 0.0), line.length_m)
        return line.at(chainage_m)[3] + (180.0 if pose.reversed else 0.0)


def _sources(machine: Machine) -> tuple[object, ...]:
    """Where its place, and then whether it runs, come from."""
    return machine.pose, machine.active, machine.active_unless


def _spread(along_deg: float, along_m2: float, across_m2: float) -> tuple[float, float, float]:
    """The covariance xx, xy, yy, m², of what is uncertain along and across a direction."""
    c, s = math.cos(math.radians(along_deg)), math.sin(math.radians(along_deg))
    return (
        c * c * along_m2 + s * s * across_m2,
        c * s * (along_m2 - across_m2),
        s * s * along_m2 + c * c * across_m2,
    )
