"""Cards that are issued, returned and replaced at the lamp room, on top of people.csv.

Who has which card is a pure function of people.csv and of what operators have done. A person is
known by the card under which people.csv lists them, whatever card they carry.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.mine.acts import Doer
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.change import Act, ActKind, Event, EventKind
from gateway.mine.devices.limits import OVERTIME, Limits
from gateway.mine.muster.book import MusterBook
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import UNKNOWN_CARD, Roster
from gateway.mine.plan import Holder
from gateway.mine.record import StepRecord
from gateway.mine.zones.occupancy import Occupancy

if TYPE_CHECKING:
    from gateway.mine.machines.vehicles import Vehicles
    from gateway.mine.machines.watch import MachineWatch
    from gateway.mine.people.route_watch import RouteWatch
    from gateway.mine.zones.ledger import Ledger

#: Where the journal's state holds which card a person has: a key for each who was issued one.
STATE_PREFIX: Final = "issued/"
#: And each card that the lamp room ever had to do with: it stays one of the mine's.
KNOWN_PREFIX: Final = "known_card/"

#: Families about the card itself, not about who carries it.
_OF_CARDS: Final = ("low_battery", UNKNOWN_CARD, "dual_card", "duplicate_card")

#: Families about a person, wherever they are.
_OF_PEOPLE: Final = ("distress", "route_deviation")

#: Cards by person; an empty one: they have none.
Issued = Mapping[str, str]


def persons_of(listed: Collection[str], issued: Issued) -> dict[str, str]:
    """Who has which card: card to person, for who is `listed` in people.csv, and what was done.

    What was done goes before people.csv: a person who was issued a card has that one, and who has
    returned theirs has none. All others have the card under which they are listed, unless it was
    issued to someone else.
    """
    held = {card: person for person, card in issued.items() if card and person in listed}
    for person in listed:
        if person not in issued:
            held.setdefault(person, person)
    return held


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the core that know something by card."""

    cards: Cards
    roster: Roster
    occupancy: Occupancy
    alarms: AlarmBook
    muster: MusterBook
    routes: RouteWatch
    machines: MachineWatch
    limits: Limits
    vehicles: Vehicles


class IssueBook:
    """Does what the lamp room asks for, and keeps it."""

    def __init__(
        self,
        people: Mapping[str, Holder] | None,
        parts: Parts,
        ledger: Ledger,
        state: Mapping[str, bytes],
    ) -> None:
        """`people` are those of people.csv, by card; None where there is no roster."""
        self._people = people
        self._parts = parts
        self._ledger = ledger
        self._issued = {
            key.removeprefix(STATE_PREFIX): value.decode()
            for key, value in state.items()
            if key.startswith(STATE_PREFIX)
        }
        # Whom something was issued to had the card under which they are listed before.
        known = {*self._issued, *self._issued.values()} - {""}
        self._known = known | {
            key.removeprefix(KNOWN_PREFIX) for key in state if key.startswith(KNOWN_PREFIX)
        }
        self._persons: dict[str, str] = {}
        self._changed: set[int] = set()
        self._is_told = True
        self._assign()

    def doers(self) -> dict[ActKind, Doer]:
        """How each kind of act is done: why it is refused, or nothing."""
        return {
            ActKind.CARD_ISSUE: self._issue,
            ActKind.CARD_RETURN: self._return,
            ActKind.CARD_REPLACE: self._replace,
        }

    def rebase(self, people: Mapping[str, Holder] | None, record: StepRecord) -> None:
        """people.csv has changed; what was issued stays so. All other parts have to follow."""
        self._people, roster = people, self._parts.roster
        known = len(roster.person)
        self._assign()
        roster.reserve(self._parts.alarms, record, known)

    def warn_again(self, record: StepRecord) -> None:
        """Tells which cards are below and issued to nobody, once all parts have followed."""
        spare = sorted(self._parts.roster.spare)
        if not spare:  # who else is new is taken up by the next step
            return
        for card in spare:
            self._parts.roster.handle(card)
        self._reserve(record)
        for card in spare:
            self._warn_or_not(card, record)

    def note(self, events: Sequence[Event], record: StepRecord) -> None:
        """Takes ways in and out: a card of the mine that is issued to nobody must not be below."""
        for event in events:
            if event.kind is EventKind.MINE_ENTERED and self._parts.roster.is_spare(event.card):
                self._warn_or_not(event.card, record)  # it may have been replaced since
            elif event.kind is EventKind.MINE_LEFT and self._parts.roster.is_spare(event.card):
                key, text = AlarmKey(UNKNOWN_CARD, card=event.card), "it is out of the mine"
                self._parts.alarms.end(key, record.now_ns, record, text)

    def take_changed(self) -> set[int]:
        """The handles of cards whose place has become another card's, or nobody's."""
        changed, self._changed = self._changed, set()
        return changed

    def take(self) -> dict[str, str] | None:
        """Who has which card, card to person, where that has changed since this was asked."""
        if not self._is_told:
            return None
        self._is_told = False
        return dict(self._persons)

    def _issue(self, act: Act, record: StepRecord) -> str:
        card, _, person = act.subject.partition("/")
        refusal = self._no_person(person) or self._not_free(card, person, record)
        if refusal:
            return refusal
        has = self._card_of(person)
        if has == card:
            return f"card {card} is {self._name(person)}'s already"
        if has:
            return f"{self._name(person)} has card {has}: return it, or replace it by {card}"
        self._put(person, card, record)
        text = f"card {card} was issued to {self._name(person)} by {act.operator}"
        record.event(EventKind.CARD_ISSUED, record.now_ns, card=card, text=_noted(text, act))
        return ""

    def _return(self, act: Act, record: StepRecord) -> str:
        card = act.subject
        person = self._persons.get(card)
        if person is None:
            return f"card {card} is issued to nobody"
        handle = self._parts.roster.handle(card)
        refusal = self._not_out(handle)
        if refusal:
            return refusal
        text = f"card {card} of {self._name(person)} was returned, as {act.operator} says"
        self._take_out(handle, record, text)
        self._end_alarms(card, record, text)
        self._put(person, "", record)
        record.event(EventKind.CARD_RETURNED, record.now_ns, card=card, text=_noted(text, act))
        return ""

    def _replace(self, act: Act, record: StepRecord) -> str:
        old, _, new = act.subject.partition("/")
        person = self._persons.get(old)
        if person is None:
            return f"card {old} is issued to nobody: issue {new} instead"
        roster, muster = self._parts.roster, self._parts.muster
        refusal = self._not_free(new, person, record)
        handles = (roster.find(card) for card in (old, new))
        if not refusal and any(card is not None and muster.concerns(card) for card in handles):
            refusal = f"the muster that is open concerns card {old} or {new}: close it first"
        if refusal:
            return refusal
        text = f"card {old} of {self._name(person)} was replaced by {new}, as {act.operator} says"
        self._ledger.note(record)
        before, handle = self._persons, roster.handle(old)  # which may never have been heard
        self._hold(person, new, record)
        self._carry_on(handle, roster.handle(new), record, text)
        self._settle(before, record)
        record.event(EventKind.CARD_REPLACED, record.now_ns, card=new, text=_noted(text, act))
        return ""

    def _no_person(self, person: str) -> str:
        if self._people is None:
            return "there is no people.csv: nobody is known to whom a card can be issued"
        if person not in self._people:
            return f"people.csv lists nobody under card {person}: write them into it first"
        return ""

    def _not_free(self, card: str, person: str, record: StepRecord) -> str:
        holder = self._persons.get(card)
        if holder is not None and holder != person:
            return f"card {card} is issued to {self._name(holder)}: have it returned first"
        self._ledger.note(record)
        visit = self._ledger.visits.open_of(card)
        if visit and visit.person not in ("", person):
            return (
                f"{visit.name} went down with card {card}, has not come up, and is in people.csv "
                "no more: write them into it again, and have the card returned"
            )
        return ""

    def _not_out(self, card: int) -> str:
        """Why a card can't be in anyone's hand at the lamp room."""
        parts = self._parts
        if parts.muster.is_missing(card):
            return f"the muster that is open concerns card {parts.roster.name(card)}"
        self._parts.cards.reserve()
        if parts.cards.below_ns[card] and not parts.cards.silent[card]:
            return f"card {parts.roster.name(card)} is heard below: it can't have been returned"
        return ""

    def _card_of(self, person: str) -> str:
        return next((card for card, one in self._persons.items() if one == person), "")

    def _name(self, person: str) -> str:
        holder = (self._people or {}).get(person)
        return holder.name if holder else person

    def _put(self, person: str, card: str, record: StepRecord) -> None:
        before = self._persons
        self._ledger.note(record)
        self._hold(person, card, record)
        self._settle(before, record)

    def _hold(self, person: str, card: str, record: StepRecord) -> None:
        for one in (self._card_of(person), card):
            if one and one not in self._known:
                self._known.add(one)
                record.state[KNOWN_PREFIX + one] = b"1"
        # Who had it before was off people.csv when it was free: back on it, they have none.
        for one in [one for one, has in self._issued.items() if card and has == card]:
            self._issued[one] = ""
            record.state[STATE_PREFIX + one] = b""
        self._issued[person] = card
        record.state[STATE_PREFIX + person] = card.encode()
        self._parts.roster.handle(card or person)
        self._assign()
        self._reserve(record)

    def _assign(self) -> None:
        """Has the roster follow."""
        self._is_told = True
        if self._people is None:
            self._persons = {}
            self._parts.roster.assign(None, {}, frozenset())
            return
        self._persons = persons_of(self._people, self._issued)
        holders = {card: self._people[person] for card, person in self._persons.items()}
        known = self._known.union(self._people)
        self._parts.roster.assign(holders, self._persons, frozenset(known - holders.keys()))

    def _settle(self, before: Mapping[str, str], record: StepRecord) -> None:
        """Has all parts follow; what the change means for who is below is told."""
        parts = self._parts
        parts.occupancy.recount()
        self._ledger.reload(record)
        moved = before.items() ^ self._persons.items()
        for card in sorted({card for card, _ in moved}):
            handle = parts.roster.handle(card)
            self._reserve(record)
            parts.occupancy.judge_again(handle, record)
            if parts.roster.is_spare(card):
                self._warn_or_not(card, record)
        parts.machines.judge_again(record)

    def _reserve(self, record: StepRecord) -> None:
        self._parts.cards.reserve()
        self._parts.roster.reserve(self._parts.alarms, record)

    def _carry_on(self, old: int, new: int, record: StepRecord, text: str) -> None:
        """Who had `old` has `new`: below since when they were, in their zones, with their alarms.

        Where `new` is located below by itself already, it is there; else it is where `old` was.
        """
        parts, now_ns = self._parts, record.now_ns
        cards, occupancy, roster = parts.cards, parts.occupancy, parts.roster
        since_ns = int(cards.below_ns[old])
        names, goes = (roster.name(old), roster.name(new)), _is_of_holder
        if cards.below_ns[new]:
            goes = _follows
            entries = dict(occupancy.entries_of([old])[old])
            self._ledger.move(*names, record)
            self._take_out(old, record, text)
            occupancy.backdate(new, entries)
            if since_ns:
                cards.below_ns[new] = min(since_ns, int(cards.below_ns[new]))
        elif cards.heard_ns[old]:
            occupancy.take_out(new, record, text)
            self._ledger.move(*names, record)
            occupancy.move(old, new)
            cards.move(old, new, now_ns)
            parts.machines.move(old, new)
        # What does not go on with `new` ends with `old`, which may take time.
        self._end_alarms(names[0], record, text, lambda key: not goes(key))
        parts.alarms.end(AlarmKey(UNKNOWN_CARD, card=names[1]), now_ns, record, text)
        parts.alarms.move(*names, record, text, goes)
        parts.limits.recall()
        parts.vehicles.recall()
        parts.routes.move(*names, record)
        self._changed |= {old, new}

    def _take_out(self, card: int, record: StepRecord, text: str) -> None:
        """A card that nobody carries is in no zone, and not below."""
        parts = self._parts
        parts.occupancy.take_out(card, record, text)
        if parts.cards.below_ns[card]:
            name = parts.roster.name(card)
            record.event(EventKind.MINE_LEFT, record.now_ns, card=name, text=text)
        parts.cards.forget(card, record.now_ns)
        parts.machines.take_out(card)
        self._changed.add(card)

    def _end_alarms(
        self,
        card: str,
        record: StepRecord,
        text: str,
        which: Callable[[AlarmKey], bool] = lambda _: True,
    ) -> None:
        for key in list(self._parts.alarms):
            if key.card == card and which(key):
                self._parts.alarms.end(key, record.now_ns, record, text)

    def _warn_or_not(self, card: str, record: StepRecord) -> None:
        """Tells a card that is issued to nobody where it is below; elsewhere there it may be."""
        parts = self._parts
        if parts.cards.below_ns[parts.roster.handle(card)]:
            self._warn(card, record)
        else:
            key, text = AlarmKey(UNKNOWN_CARD, card=card), f"card {card} is not below"
            parts.alarms.end(key, record.now_ns, record, text)

    def _warn(self, card: str, record: StepRecord) -> None:
        parts = self._parts
        text = f"card {card} is below and issued to nobody: who carries it is not known"
        place = parts.cards.last_place(parts.roster.handle(card))
        key = AlarmKey(UNKNOWN_CARD, card=card)
        parts.alarms.begin(key, record.now_ns, record, text, place)


def _is_of_holder(key: AlarmKey) -> bool:
    """Whether an alarm is about who carries a card, and not about the card itself."""
    return key.rule not in _OF_CARDS


def _follows(key: AlarmKey) -> bool:
    """Whether an alarm is about a person wherever they are, and not about where they are."""
    return key.rule in _OF_PEOPLE or (key.rule == OVERTIME and not key.zone)


def _noted(text: str, act: Act) -> str:
    return f"{text}: {act.note}" if act.note else text
