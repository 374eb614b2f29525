"""Answers without the names of people, for callers without the right to them.

What is masked follows from the contract itself: fields that hold a name, fields that hold words in
which a known name may stand, and ids, which stay. A field that is in no list counts as words, so
that a new one hides too much rather than too little.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.config.people import CardKind, Person
from lamproom.v1 import event_pb2, mine_pb2

#: Messages of streams that were masked: each is masked once for all who read along.
MASKED_MOST: Final = 4096
#: Names of people who are listed no more; an older one is forgotten, as events are after a year.
NAMES_MOST: Final = 200_000

#: What stands for the letters of a name after the first.
MASK: Final = "*"
#: What stands for an operator's words about an act, which name who did it and whom to.
WITHHELD: Final = "an operator's act, in words that this role is not shown"

_PACKAGE: Final = "lamproom.v1."

#: Fields that hold a name of a person.
NAMES: Final = frozenset(
    {
        "Alarm.acknowledged_by",
        "CardHolder.name",
        "Hazard.assignee",
        "Hazard.found_by",
        "Hazard.supervisor",
        "HazardStep.operator",
        "Muster.closed_by",
        "Muster.opened_by",
        "MusterCard.name",
        "Person.name",
        "RiskPoint.owner",
        "Subscriber.identity",
        "Visit.name",
    }
)

#: Fields of any message that hold an id, a number or a word of the contract: no name is in them.
IDS: Final = frozenset(
    {
        "address",
        "alarm_id",
        "anchor_id",
        "card",
        "category",
        "consumer",
        "day",
        "device_id",
        "digest",
        "file",
        "group_id",
        "hazard_id",
        "limit_id",
        "machine_id",
        "method",
        "mine_code",
        "muster_id",
        "next_page_token",
        "parent_alarm_id",
        "peer",
        "person_id",
        "point",
        "profile",
        "removed_device_id",
        "risk_point_id",
        "roadway_id",
        "roadway_ids",
        "role",
        "rule",
        "shift_id",
        "timezone",
        "unit",
        "zone_id",
        "zone_ids",
        # Of a team, a job or a shift, and names of places and machines.
        "job",
        "team",
        "shift",
        "mine_name",
        "version",
    }
)
_NAMES_OF_THINGS: Final = frozenset(
    {
        "Area.name",
        "DeviceHealth.name",
        "Equipment.name",
        "RiskPoint.name",
        "Roadway.name",
        "ShiftSpan.name",
        "Zone.name",
    }
)

#: Events whose text says which person did something, or to whom.
_ACTS: Final = frozenset(
    {
        event_pb2.EVENT_KIND_ALARM_ACKNOWLEDGED,
        event_pb2.EVENT_KIND_ALARM_HIDDEN,
        event_pb2.EVENT_KIND_ALARM_SHOWN,
        event_pb2.EVENT_KIND_CARD_ISSUED,
        event_pb2.EVENT_KIND_CARD_RETURNED,
        event_pb2.EVENT_KIND_CARD_REPLACED,
        event_pb2.EVENT_KIND_CONFIGURATION_CHANGED,
        event_pb2.EVENT_KIND_CONFIGURATION_REFUSED,
        event_pb2.EVENT_KIND_HAZARD_CHANGED,
        event_pb2.EVENT_KIND_HAZARD_CLEARED,
        event_pb2.EVENT_KIND_HAZARD_FOUND,
        event_pb2.EVENT_KIND_MUSTER_CLOSED,
        event_pb2.EVENT_KIND_MUSTER_OPENED,
    }
)
_THINGS: Final = (mine_pb2.CARD_KIND_VEHICLE, mine_pb2.CARD_KIND_ROBOT)

M = TypeVar("M", bound=Message)
Change = Callable[[Any], None]


def masked_name(name: str) -> str:
    """A name of which the first letter is left."""
    return name[:1] + MASK if name else ""


class Names:
    """The names of people that are known, to be found in words. Of two letters at least."""

    def __init__(self) -> None:
        self._all: OrderedDict[str, None] = OrderedDict()
        #: By their first two letters, the longest first.
        self._by_start: dict[str, list[str]] = {}

    def use(self, names: Iterable[str]) -> None:
        """Takes names in, besides those of before, which older events may hold."""
        for name in names:
            if len(name) >= 2:
                self._all[name] = None
                self._all.move_to_end(name)
        while len(self._all) > NAMES_MOST:
            self._all.popitem(last=False)
        by_start: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(self._all, key=len, reverse=True):
            by_start[name[:2]].append(name)
        self._by_start = dict(by_start)

    def masked(self, text: str) -> str:
        """The text with each known name masked."""
        parts, done, at = [], 0, 0
        while at < len(text) - 1:
            for name in self._by_start.get(text[at : at + 2], ()):
                if text.startswith(name, at):
                    parts += [text[done:at], masked_name(name)]
                    at = done = at + len(name)
                    break
            else:
                at += 1
        return "".join((*parts, text[done:]))


class Masking:
    """Masks answers. On the event loop only."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._names = Names()
        #: What is done to a message of each type; None where no name can be in it.
        self._changes: dict[str, Change | None] = {}
        self._masked: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()
        #: How many messages of streams were masked so far, each counted once.
        self.masked_count = 0
        self.reload(people)

    def reload(self, people: Iterable[Person]) -> None:
        """Takes over another people.csv."""
        self._names.use(one.name for one in people if one.kind is CardKind.PERSON)
        self._masked.clear()

    def text(self, text: str) -> str:
        """Words, as of an error."""
        return self._names.masked(text)

    def message(self, message: M) -> M:
        """The message, or a masked copy of it: what is given may be shared."""
        change = self._change_of(message.DESCRIPTOR)
        if change is None:
            return message
        copy = type(message)()
        copy.CopyFrom(message)
        change(copy)
        return copy

    def payload(self, kind: Descriptor, payload: bytes) -> bytes:
        """The bytes of a message, masked; the same bytes are masked once for all readers."""
        change = self._change_of(kind)
        if change is None or not self._may_hold_names(kind, payload):
            return payload
        key = (kind.full_name, payload)
        known = self._masked.get(key)
        if known is None:
            message = GetMessageClass(kind).FromString(payload)
            change(message)
            known = self._masked[key] = message.SerializeToString()
            self.masked_count += 1
            if len(self._masked) > MASKED_MOST:
                self._masked.popitem(last=False)
        return known

    def _may_hold_names(self, kind: Descriptor, payload: bytes) -> bool:
        """Looks at the first tag alone where that says it: frames of positions are not decoded."""
        if len(kind.oneofs) != 1 or len(kind.oneofs[0].fields) != len(kind.fields) or not payload:
            return True
        field = kind.fields_by_number.get(payload[0] >> 3) if payload[0] < 0x80 else None
        if field is None or field.message_type is None:
            return True
        return self._change_of(field.message_type) is not None

    def _change_of(self, kind: Any) -> Change | None:
        if kind.full_name not in self._changes:
            # Before its fields: a type may hold itself.
            self._changes[kind.full_name] = None
            self._changes[kind.full_name] = self._make(kind)
        return self._changes[kind.full_name]

    def _make(self, kind: Any) -> Change | None:
        if not kind.full_name.startswith(_PACKAGE):
            return None
        parts = [part for field in kind.fields if (part := self._of_field(field)) is not None]
        if not parts:
            return None
        is_event = kind is event_pb2.Event.DESCRIPTOR

        def change(message: Any) -> None:
            if is_event and message.kind in _ACTS:
                message.text = WITHHELD
            if getattr(message, "kind", None) in _THINGS and "name" in kind.fields_by_name:
                return
            for part in parts:
                part(message)

        return change

    def _of_field(self, field: FieldDescriptor) -> Change | None:
        name = field.name
        if field.message_type is not None:
            within = self._change_of(field.message_type)
            return within and _nested(name, within, repeated=field.is_repeated)
        if field.type != FieldDescriptor.TYPE_STRING:
            return None
        what = what_of(field)
        if what == "id":
            return None
        return _string(
            name, masked_name if what == "name" else self._names.masked, repeated=field.is_repeated
        )


def what_of(field: FieldDescriptor) -> str:
    """What a string of the contract holds: a `name`, an `id`, or `words`."""
    full = field.full_name.removeprefix(_PACKAGE)
    if full in NAMES:
        return "name"
    return "id" if field.name in IDS or full in _NAMES_OF_THINGS else "words"


def _nested(name: str, within: Change, *, repeated: bool) -> Change:
    def one(message: Any) -> None:
        if message.HasField(name):
            within(getattr(message, name))

    def many(message: Any) -> None:
        for item in getattr(message, name):
            within(item)

    return many if repeated else one


def _string(name: str, mask: Callable[[str], str], *, repeated: bool) -> Change:
    def one(message: Any) -> None:
        text = getattr(message, name)
        if text:
            setattr(message, name, mask(text))

    def many(message: Any) -> None:
        texts = getattr(message, name)
        texts[:] = [mask(text) for text in texts]

    return many if repeated else one
