"""The muster: opened and closed by operators, asked for in pages, and as a stream.

A card's message is encoded once, when it is first sent, and shared by all streams. What a client
has not been sent is told by versions, as of the equipment: the newest one wins, so that a slow
client costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Final

from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.mine.change import ActKind, Place
from gateway.mine.muster.card import Muster, MusterCall, MusterCard, MusterChange, MusterState
from gateway.serve.acting import NOTE_MOST, OPERATOR_MOST, Ask, act_of, done, text_of
from gateway.serve.cursor import Kind, seal_page
from gateway.serve.encode import delimited, heartbeat_message, place_message, sync_message
from gateway.serve.failure import RequestError, invalid
from gateway.serve.mine import CARD_KINDS
from gateway.serve.paging import page_size, page_start, scope
from gateway.serve.picture import Picture
from gateway.serve.reasons import Reason
from gateway.serve.wake import Signal
from lamproom.v1 import muster_pb2
from lamproom.v1.muster_pb2 import WatchMusterResponse
from positioning.observation import IdTable

#: Cards of one page: each with a way of some 50 points, of 30 bytes, far below a client's 4 MB.
PAGE_CARDS_MOST: Final = 250
#: Cards of one message of a stream: as many are encoded in some 10 ms, after which others have a
#: turn.
MESSAGE_CARDS_MOST: Final = 100
#: Zones that one muster may name: more than that is the whole mine.
ZONES_MOST: Final = 64
#: The longest id of a zone.
ZONE_ID_MOST: Final = 64

CARDS_FIELD: Final = WatchMusterResponse.CARDS_FIELD_NUMBER
_CARD_FIELD: Final = muster_pb2.MusterCards.CARDS_FIELD_NUMBER
_NS_PER_S: Final = 1_000_000_000

#: Since before anything came.
_ALL: Final = -1


class _Told:
    """A card as it was told last, in which version, and its bytes once they were asked for."""

    __slots__ = ("card", "encoded", "version")

    def __init__(self, card: MusterCard, version: int) -> None:
        self.card = card
        self.version = version
        self.encoded: bytes | None = None


class MusterHub:
    """Serves the muster. On the event loop only."""

    def __init__(
        self,
        bundle: Bundle,
        cards: IdTable,
        roadways: IdTable,
        picture: Picture,
        ask: Ask,
        *,
        epoch: int,
        heartbeat_s: float,
        now_ns: Clock,
    ) -> None:
        self._listed = {person.card: person for person in bundle.people}
        self._people = dict(self._listed)  # by the card that they have
        self._roadways = roadways
        self._cards = cards
        self._picture = picture
        self._ask = ask
        self._epoch = epoch
        self._heartbeat_s = heartbeat_s
        self._now_ns = now_ns
        self._signal = Signal()
        self._version = 0
        #: The version in which the muster of now began: what was told before is of another one.
        self._first = 0
        self._muster: Muster | None = None
        self._header = b""
        self._told: dict[int, _Told] = {}

    def publish(self, change: MusterChange) -> None:
        """Takes over what a step has changed, and tells it."""
        self._version += 1
        if change.fresh:
            self._first = self._version
            self._told.clear()
        self._muster = change.muster
        self._header = WatchMusterResponse(
            muster=_muster_message(change.muster)
        ).SerializeToString()
        for card in change.cards:
            self._told[card.number] = _Told(card, self._version)
        self._signal.fire()

    def reload(self, bundle: Bundle) -> None:
        """Takes over another people.csv; who has which card comes after it."""
        self._listed = {person.card: person for person in bundle.people}

    def assign(self, issued: Mapping[str, str]) -> None:
        """Takes over who has which card, card to person: what was encoded may name others."""
        people = {
            card: self._listed[person] for card, person in issued.items() if person in self._listed
        }
        if people == self._people:
            return
        before, self._people = self._people, people
        self._version += 1
        for told in self._told.values():
            card = told.card.card
            if before.get(card) != people.get(card):
                told.encoded, told.version = None, self._version
        self._signal.fire()

    def close(self) -> None:
        """Ends all streams."""
        self._signal.close()

    async def open(self, request: muster_pb2.OpenMusterRequest) -> muster_pb2.OpenMusterResponse:
        """Opens one. Raises RequestError, as all acts do: a wrong request, refused, or stopping."""
        if len(request.zone_ids) > ZONES_MOST:
            msg = f"zone_ids names {len(request.zone_ids)} zones: at most {ZONES_MOST} are taken"
            raise invalid(msg, "zone_ids")
        zones = [text_of("zone_ids", zone, ZONE_ID_MOST) for zone in request.zone_ids]
        if any("/" in zone for zone in zones):
            msg = "zone_ids: no zone's id holds a slash"
            raise invalid(msg, "zone_ids")
        text_of("act.note, which says why,", request.act.note, NOTE_MOST)
        call = MusterCall(tuple(dict.fromkeys(zones)), request.drill)
        act = act_of(ActKind.MUSTER_OPEN, request.act, call.text)
        return await done(self._ask, act, muster_pb2.OpenMusterResponse())

    async def end(self, request: muster_pb2.CloseMusterRequest) -> muster_pb2.CloseMusterResponse:
        """Closes one. Raises RequestError, as all acts do."""
        muster_id = text_of("muster_id", request.muster_id, OPERATOR_MOST)
        act = act_of(ActKind.MUSTER_CLOSE, request.act, muster_id)
        return await done(self._ask, act, muster_pb2.CloseMusterResponse())

    def get(self, request: muster_pb2.GetMusterRequest) -> muster_pb2.GetMusterResponse:
        """One page, with places of now. Raises RequestError: a wrong page, or no muster yet."""
        muster = self._muster
        if muster is None:
            raise RequestError(
                Reason.MUSTER_NOT_FOUND, "no muster has been opened yet", resource=("muster", "")
            )
        size = page_size(min(request.page_size or PAGE_CARDS_MOST, PAGE_CARDS_MOST))
        epoch = scope(self._epoch, muster.id)
        after = page_start(Kind.MUSTER_PAGE, request.page_token, epoch)
        numbers = sorted(number for number in self._told if number > after)
        page, token = numbers[:size], ""
        if len(numbers) > size:
            token = seal_page(Kind.MUSTER_PAGE, epoch, page[-1])
        return muster_pb2.GetMusterResponse(
            muster=_muster_message(muster),
            cards=[self._message_of_now(self._told[number].card, muster) for number in page],
            next_page_token=token,
        )

    async def watch(self, _request: muster_pb2.WatchMusterRequest) -> AsyncGenerator[bytes]:
        """The messages of one `WatchMuster`, for ever.

        Raises:
            RequestError: the gateway is stopping.
        """
        seen, synced = _ALL, False
        while True:
            self._signal.check()
            if seen < self._version:
                since, seen = seen, self._version
                if self._header:
                    yield self._header
                first = self._first
                for message in self._messages(_ALL if since < first else since):
                    yield message
                    if first != self._first:  # another muster has begun meanwhile
                        break
                if first != self._first:
                    seen = min(seen, self._first - 1)
                    continue
            if not synced:
                yield WatchMusterResponse(sync=sync_message(self._now_ns())).SerializeToString()
                synced = True
            elif seen == self._version and not await self._signal.wait(self._heartbeat_s):
                beat = heartbeat_message(self._now_ns())
                yield WatchMusterResponse(heartbeat=beat).SerializeToString()

    def _messages(self, since: int) -> Iterator[bytes]:
        """The cards that were told after version `since`, as they are when they are sent."""
        told = [one for one in self._told.values() if one.version > since]
        for start in range(0, len(told), MESSAGE_CARDS_MOST):
            part = told[start : start + MESSAGE_CARDS_MOST]
            cards = b"".join(delimited(_CARD_FIELD, self._encoded(one)) for one in part)
            yield delimited(CARDS_FIELD, cards)

    def _encoded(self, told: _Told) -> bytes:
        if told.encoded is None:
            told.encoded = self._message(told.card).SerializeToString()
        return told.encoded

    def _message_of_now(self, card: MusterCard, muster: Muster) -> muster_pb2.MusterCard:
        """A card with its newest place while the muster is open, and how old that is."""
        message = self._message(card)
        handle = self._cards.find(card.card)
        fixes = self._picture.fixes.get(() if handle is None else (handle,))
        if muster.is_open and len(fixes):
            fix = fixes[0]
            place = Place(float(fix["x_m"]), float(fix["y_m"]), float(fix["z_m"]), int(fix["t_ns"]))
            message.place.CopyFrom(place_message(place))
            roadway, chainage_m = int(fix["roadway"]), float(fix["chainage_m"])
            message.roadway_id = self._roadways.name(roadway) if roadway >= 0 else ""
            message.ClearField("chainage_m")
            if math.isfinite(chainage_m):
                message.chainage_m = chainage_m
        if message.HasField("place"):
            t_ns = message.place.measure_time.ToNanoseconds()
            message.age_s = max(self._now_ns() - t_ns, 0) / _NS_PER_S
        return message

    def _message(self, card: MusterCard) -> muster_pb2.MusterCard:
        message = muster_pb2.MusterCard(
            number=card.number,
            card=card.card,
            state=muster_pb2.MusterState.ValueType(card.state),
            roadway_id=card.roadway,
            chainage_m=card.chainage_m,
            zone_ids=card.zones,
            cut_off=bool(card.cut_off),
            cut_off_reason=card.cut_off,
        )
        person = self._people.get(card.card)
        if person:
            message.name, message.job, message.team = person.name, person.job, person.team
            message.kind = CARD_KINDS[person.kind]
        message.state_time.FromNanoseconds(card.since_ns)
        for state, t_ns in card.changes:
            change = message.changes.add(state=muster_pb2.MusterState.ValueType(state))
            change.change_time.FromNanoseconds(t_ns)
        if card.heard_ns:
            message.heard_time.FromNanoseconds(card.heard_ns)
        if card.place:
            message.place.CopyFrom(place_message(card.place))
        if card.way:
            way = message.way_out
            way.length_m, way.zone_id = card.way.length_m, card.way.zone
            way.roadway_ids.extend(card.way.roadways)
            for x_m, y_m, z_m in card.way.points_m:
                way.points.add(x_m=x_m, y_m=y_m, z_m=z_m)
        return message


def _muster_message(muster: Muster) -> muster_pb2.Muster:
    message = muster_pb2.Muster(
        muster_id=muster.id,
        drill=muster.drill,
        reason=muster.reason,
        opened_by=muster.opened_by,
        zone_ids=muster.zones,
        closed_by=muster.closed_by,
        close_note=muster.close_note,
    )
    message.open_time.FromNanoseconds(muster.open_t_ns)
    if muster.close_t_ns is not None:
        message.close_time.FromNanoseconds(muster.close_t_ns)
    for state in MusterState:
        if muster.counts.get(state):
            message.counts.add(
                state=muster_pb2.MusterState.ValueType(state),
                people=muster.people.get(state, 0),
                machines=muster.counts[state] - muster.people.get(state, 0),
            )
    return message
