"""What an alarm is about, and what the journal keeps of alarms, as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from gateway.mine.alarms.states import AlarmMode, AlarmState
from gateway.mine.change import Alarm, Place

#: Where the journal's state holds alarms, and those that operators are not to be shown.
ALARM_PREFIX: Final = "alarm/"
HIDDEN_PREFIX: Final = "hidden/"
#: Later than all times.
NEVER_NS: Final = 1 << 63

#: A key in one word has at least these: the rule, card, device and zone.
_PARTS_LEAST: Final = 4


class AlarmKey(NamedTuple):
    """What an alarm is about: a rule and a subject (a card or a device), in a zone or anywhere.

    `limit` is the id of the limit that a device's value is beyond, `hazard` that of a hazard;
    `machine` the id of a machine, or the card of a vehicle, that the card is too near to, or that
    it is about.
    """

    rule: str
    card: str = ""
    device: str = ""
    zone: str = ""
    limit: str = ""
    hazard: str = ""
    machine: str = ""

    @property
    def text(self) -> str:
        """All of it in one word; what came to be known later is left out where it is empty.

        So it is as gateways of before kept it. Of all ids only a card's may hold a slash.
        """
        last = max(number for number, part in enumerate(self, 1) if part or number <= _PARTS_LEAST)
        return "/".join(self[:last])


@dataclass(frozen=True, slots=True)
class Hiding:
    """Why operators are not shown the alarms of a key; `until_t_ns` None: until it is undone."""

    mode: AlarmMode
    until_t_ns: int | None
    by: str

    @property
    def end_ns(self) -> int:
        """When it ends by itself; `NEVER_NS` where it does not."""
        return NEVER_NS if self.until_t_ns is None else self.until_t_ns


@dataclass(frozen=True, slots=True)
class Pending:
    """A condition that has begun (or ended) at `t_ns`, and is told at `due_ns` if it lasts.

    `level` None is that of the family.
    """

    t_ns: int
    due_ns: int
    text: str
    place: Place | None = None
    begins: bool = True
    level: int | None = None

    def later(self, by_ns: int) -> Pending:
        """The same, so much later."""
        return dataclasses.replace(self, t_ns=self.t_ns + by_ns, due_ns=self.due_ns + by_ns)


_ALARM_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Alarm))
_PENDING_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Pending))
_PLACE_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Place))


def keep_alarm(key: AlarmKey, alarm: Alarm | None, pending: Pending | None) -> bytes | None:
    """What is kept of a key's alarm and of what is pending; None where there is neither."""
    if alarm is None and pending is None:
        return None
    kept = {
        "key": key,
        "alarm": _fields(alarm, _ALARM_FIELDS) if alarm else None,
        "pending": _fields(pending, _PENDING_FIELDS) if pending else None,
    }
    return to_json(kept)


def recall_alarm(value: bytes) -> tuple[AlarmKey, Alarm | None, Pending | None]:
    """The same again; what an older gateway did not keep has its default."""
    kept = from_json(value)
    key = AlarmKey(*kept["key"])
    alarm, pending = kept["alarm"], kept.get("pending")
    if pending:
        pending = Pending(**{**pending, "place": _place_of(pending)})
    return key, _alarm_of(alarm, key) if alarm else None, pending


def recall_alarms(
    state: Mapping[str, bytes],
) -> tuple[dict[AlarmKey, Alarm], dict[AlarmKey, Pending]]:
    """All alarms of the journal's state, and what is pending."""
    kept = [recall_alarm(value) for name, value in state.items() if name.startswith(ALARM_PREFIX)]
    alarms = {key: alarm for key, alarm, _ in kept if alarm}
    return alarms, {key: pending for key, _, pending in kept if pending}


def recall_hidden(state: Mapping[str, bytes]) -> dict[AlarmKey, Hiding]:
    """All that operators are not to be shown, of the journal's state."""
    return dict(recall_hiding(v) for name, v in state.items() if name.startswith(HIDDEN_PREFIX))


def keep_hiding(key: AlarmKey, hiding: Hiding) -> bytes:
    """What is kept of why a key's alarms are not shown."""
    return to_json({"key": key, **dataclasses.asdict(hiding)})


def recall_hiding(value: bytes) -> tuple[AlarmKey, Hiding]:
    """The same again."""
    kept = from_json(value)
    hiding = Hiding(AlarmMode(kept["mode"]), kept["until_t_ns"], kept["by"])
    return AlarmKey(*kept["key"]), hiding


def _alarm_of(kept: Mapping[str, Any], key: AlarmKey) -> Alarm:
    fields = {**key._asdict(), **kept, "place": _place_of(kept)}
    fields["tell"] = tuple(fields.get("tell", ()))
    fields["state"] = AlarmState(fields.get("state", AlarmState.UNACKNOWLEDGED))
    fields["mode"] = AlarmMode(fields.get("mode", AlarmMode.IN_SERVICE))
    return Alarm(**fields)


def _fields(kept: Alarm | Pending, names: Sequence[str]) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies each value and takes most of a busy step's time."""
    fields = {name: getattr(kept, name) for name in names}
    if kept.place:
        fields["place"] = {name: getattr(kept.place, name) for name in _PLACE_FIELDS}
    return fields


def _place_of(kept: Mapping[str, Any]) -> Place | None:
    return Place(**kept["place"]) if kept.get("place") else None
