"""A mine of one roadway, for tests of the core: who walks where is written as exact ranges."""

from collections.abc import Iterable

import numpy as np

from gateway.config.alarms import AlarmSettings
from gateway.mine.change import Batch, Changes
from gateway.mine.core import Mine
from gateway.mine.plan import AlarmRule, MinePlan
from positioning.mine_map import Anchor, MineMap, Reader, Roadway, Zone, ZoneKind
from positioning.observation import RANGE, SIGHTING, IdTable, Records, measurements

S = 1_000_000_000
T0 = 1_800_000_000 * S
CARD_HEIGHT_M = 1.0

ANCHORS = ((0.0, 3.0), (30.0, -3.0), (60.0, 3.0), (90.0, -3.0), (120.0, 3.0))


def rectangle(x0: float, x1: float) -> tuple[np.ndarray, ...]:
    corners = [(x0, -10.0), (x1, -10.0), (x1, 10.0), (x0, 10.0), (x0, -10.0)]
    return (np.array(corners),)


MAP = MineMap(
    roadways=(Roadway("main", "Main", 5.0, np.array([(-20.0, 0.0, -8.0), (140.0, 0.0, -8.0)])),),
    anchors=tuple(Anchor(f"A{n}", x, y, -5.0) for n, (x, y) in enumerate(ANCHORS)),
    readers=(Reader("gate", 0.0, 0.0, -6.0, 8.0), Reader("bend", 40.0, 0.0, -6.0, 8.0)),
    zones=(
        Zone("pit-top", "Landing", ZoneKind.WELLHEAD, rectangle(-20, 15)),
        Zone("sealed", "Sealed stub", ZoneKind.RESTRICTED, rectangle(60, 90)),
        Zone("face", "Face", ZoneKind.FACE, rectangle(50, 130)),
    ),
)

PLAN = MinePlan(
    map=MAP,
    devices=("uwb-1", "shearer"),
    card_height_m=CARD_HEIGHT_M,
    clock_tolerance_s=5.0,
    rules={
        **dict.fromkeys(AlarmSettings.model_fields, AlarmRule(level=1)),
        "signal_lost": AlarmRule(level=3, after_s=30),
        "device_down": AlarmRule(level=2, after_s=5),
    },
)


class Walk:
    """A core, a table of cards, and what came of each step."""

    def __init__(
        self,
        state: dict[str, bytes] | None = None,
        first_sequence: int = 1,
        *,
        plan: MinePlan = PLAN,
    ) -> None:
        self.plan = plan
        self.table = IdTable()
        self.mine = Mine(plan, self.table, first_sequence, state or {})
        self.state: dict[str, bytes] = dict(state or {})
        self.all: list[Changes] = []

    def begin(self, now_ns: int = T0) -> Changes:
        return self._note(self.mine.begin(now_ns))

    def step(self, batch: Batch, now_ns: int) -> Changes:
        return self._note(self.mine.step(batch, now_ns))

    def _note(self, changes: Changes) -> Changes:
        for key, value in changes.state.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.all.append(changes)
        return changes

    def walk(self, card: str, xs: Iterable[float], t_ns: int) -> int:
        """Stands a second at each x in turn; returns the time after."""
        for x_m in xs:
            t_ns += S
            ranges = ranges_at(self.table.handle(card), x_m, t_ns)
            self.step(batch_of(ranges), t_ns)
        return t_ns

    def wait(self, seconds: float, t_ns: int) -> int:
        """Lets time go on without data."""
        for _ in range(round(seconds)):
            t_ns += S
            self.step(Batch(), t_ns)
        return t_ns

    def events(self) -> list[tuple[str, str, str]]:
        """Kind, subject, zone or rule of all events so far."""
        return [
            (event.kind.name, event.card or event.device, event.zone or (event.alarm or _NO).rule)
            for changes in self.all
            for event in changes.events
        ]


class _NO:
    rule = ""


def batch_of(*measured: Records) -> Batch:
    """A batch of RANGE, SIGHTING …, one after the other."""
    return Batch(measurements(*measured))


def ranges_at(card: int, x_m: float, t_ns: int, y_m: float = 0.0) -> Records:
    """Exact ranges to every anchor within 70 m, a millisecond apart."""
    place = np.array([x_m, y_m, -8.0 + CARD_HEIGHT_M])
    rows = []
    for index, anchor in enumerate(MAP.anchors):
        range_m = float(np.linalg.norm(place - (anchor.x_m, anchor.y_m, anchor.z_m)))
        if range_m < 70:
            rows.append((card, index, t_ns + index * 1_000_000, range_m, np.nan, np.nan))
    return np.array(rows, RANGE)


def sighting(card: int, t_ns: int, reader: int = 0) -> Records:
    """A reader, the gate's unless told otherwise, sees the card."""
    return np.array([(card, reader, t_ns, -60.0, 0)], SIGHTING)
