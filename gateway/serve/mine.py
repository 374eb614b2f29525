"""The unary answers: the map, who is on the roster or was seen, where everyone is, how many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.config.people import CardKind
from gateway.mine.change import Flow
from gateway.serve.cursor import Kind
from gateway.serve.failure import RequestError
from gateway.serve.paging import page_of, scope
from gateway.serve.picture import Picture
from gateway.serve.reasons import Reason
from lamproom.v1 import configuration_pb2, mine_pb2, position_pb2
from positioning.ellipse import ellipses
from positioning.mine_map import Anchor, Area, MineMap, Reader, Roadway, Zone
from positioning.observation import IdTable, Records

_NS_PER_S: Final = 1_000_000_000

#: What of a fix may be unknown, NaN; it is absent then.
_MAYBE: Final = ("chainage_m", "hdop", "nis", "protection_m")


CARD_KINDS: Final = {
    CardKind.PERSON: mine_pb2.CARD_KIND_PERSON,
    CardKind.VEHICLE: mine_pb2.CARD_KIND_VEHICLE,
    CardKind.ROBOT: mine_pb2.CARD_KIND_ROBOT,
}


class MineAnswers:
    """Answers from the configuration and the picture. On the event loop only."""

    def __init__(
        self,
        bundle: Bundle,
        cards: IdTable,
        roadways: IdTable,
        picture: Picture,
        *,
        configuration: configuration_pb2.Configuration,
        epoch: int,
        now_ns: Clock,
    ) -> None:
        self._cards = cards
        self._roadways = roadways
        self._picture = picture
        self._epoch = epoch
        self._now_ns = now_ns
        self.reload(bundle, configuration)

    def reload(self, bundle: Bundle, configuration: configuration_pb2.Configuration) -> None:
        """Takes over a configuration; lists that were begun before it have to be begun anew."""
        self._lists = scope(self._epoch, str(configuration.number))
        self._map = _map_message(bundle.settings.mine.code, bundle.settings.mine.name, bundle.map)
        self._map.configuration.CopyFrom(configuration)
        self._roster = tuple(
            mine_pb2.Person(
                card=one.card,
                name=one.name,
                job=one.job,
                team=one.team,
                on_roster=True,
                kind=CARD_KINDS[one.kind],
            )
            for one in bundle.people
        )
        self._on_roster = frozenset(one.card for one in bundle.people)
        self._listed = {one.card: one for one in self._roster}

    def assign(self, issued: Mapping[str, str]) -> None:
        """Takes over who has which card, card to person: who has none now is not told."""
        cards = {person: card for card, person in issued.items()}
        held = [one for one in self._listed if one in cards]
        self._roster = tuple(_with_card(self._listed[one], cards[one]) for one in held)
        self._on_roster = frozenset(issued)

    def get_map(self, _request: mine_pb2.GetMapRequest) -> mine_pb2.GetMapResponse:
        """All of the map."""
        return self._map

    def list_zones(self, request: mine_pb2.ListZonesRequest) -> mine_pb2.ListZonesResponse:
        """One page of zones. Raises RequestError for a wrong page."""
        zones, token = page_of(
            self._map.zones, Kind.ZONE_PAGE, self._lists, request.page_size, request.page_token
        )
        return mine_pb2.ListZonesResponse(zones=zones, next_page_token=token)

    def list_people(self, request: mine_pb2.ListPeopleRequest) -> mine_pb2.ListPeopleResponse:
        """One page of the roster, then of cards that are not on it. Raises RequestError."""
        strangers = (self._cards.name(handle) for handle in self._picture.seen)
        people = [
            *self._roster,
            *(mine_pb2.Person(card=card) for card in strangers if card not in self._on_roster),
        ]
        page, token = page_of(
            people, Kind.PEOPLE_PAGE, self._lists, request.page_size, request.page_token
        )
        return mine_pb2.ListPeopleResponse(people=page, next_page_token=token)

    def get_headcount(
        self, _request: mine_pb2.GetHeadcountRequest
    ) -> mine_pb2.GetHeadcountResponse:
        """How many are below. Raises RequestError before the first count: 0 would be a lie."""
        count = self._picture.headcount
        if count is None:
            msg = "the gateway has only just started and has not counted yet"
            raise RequestError(Reason.JUST_STARTED, msg, remedy="ask again")
        response = mine_pb2.GetHeadcountResponse(
            underground=count.underground,
            silent=count.silent,
            leaders=count.leaders,
            shift=count.shift,
            attending=count.attending,
        )
        mine = count.flows.get("", Flow())
        response.entered, response.left = mine.entered, mine.left
        response.count_time.FromNanoseconds(self._picture.headcount_t_ns)
        for zone in self._map.zones:
            flow = count.flows.get(zone.zone_id, Flow())
            response.zones.add(
                zone_id=zone.zone_id,
                count=count.by_zone.get(zone.zone_id, 0),
                entered=flow.entered,
                left=flow.left,
            )
        return response

    def list_positions(
        self, request: position_pb2.ListPositionsRequest
    ) -> position_pb2.ListPositionsResponse:
        """One page of last known places. Raises RequestError for a wrong page."""
        if request.cards:
            asked = (self._cards.find(card) for card in dict.fromkeys(request.cards))
            handles = [handle for handle in asked if handle in self._picture.seen]
        else:
            handles = list(self._picture.seen)
        page, token = page_of(
            handles,
            Kind.POSITION_PAGE,
            scope(self._epoch, *request.cards),
            request.page_size,
            request.page_token,
        )
        fixes = self._picture.fixes.get(handle for handle in page if handle is not None)
        return position_pb2.ListPositionsResponse(
            positions=self._positions(fixes), next_page_token=token
        )

    def _positions(self, fixes: Records) -> Iterator[position_pb2.Position]:
        now_ns = self._now_ns()
        rings = ellipses(fixes)
        for row, fix in enumerate(fixes):
            roadway = int(fix["roadway"])
            since_s = (now_ns - int(fix["t_ns"])) / _NS_PER_S
            message = position_pb2.Position(
                card=self._cards.name(int(fix["card"])),
                x_m=fix["x_m"],
                y_m=fix["y_m"],
                z_m=fix["z_m"],
                vx_m_s=fix["vx_m_s"],
                vy_m_s=fix["vy_m_s"],
                var_x_m2=fix["var_x_m2"],
                cov_xy_m2=fix["cov_xy_m2"],
                var_y_m2=fix["var_y_m2"],
                fix_class=position_pb2.FixClass.ValueType(int(fix["fix_class"])),
                anchors_used=int(fix["anchors_used"]),
                anchors_rejected=int(fix["anchors_rejected"]),
                age_s=since_s + float(fix["age_s"]),
                zone_ids=self._picture.zones.get(int(fix["card"]), ()),
                roadway_id=self._roadways.name(roadway) if roadway >= 0 else "",
                ellipse_95=position_pb2.Ellipse(
                    semi_major_m=rings.semi_major_m[row],
                    semi_minor_m=rings.semi_minor_m[row],
                    direction_deg=rings.direction_deg[row],
                ),
            )
            for name in _MAYBE:
                if not np.isnan(fix[name]):
                    setattr(message, name, fix[name])
            message.measure_time.FromNanoseconds(int(fix["t_ns"]))
            yield message


def _with_card(person: mine_pb2.Person, card: str) -> mine_pb2.Person:
    message = mine_pb2.Person()
    message.CopyFrom(person)
    message.card = card
    return message


def _map_message(code: str, name: str, mine_map: MineMap) -> mine_pb2.GetMapResponse:
    return mine_pb2.GetMapResponse(
        mine_code=code,
        mine_name=name,
        roadways=map(_roadway, mine_map.roadways),
        anchors=map(_anchor, mine_map.anchors),
        readers=map(_reader, mine_map.readers),
        zones=map(_zone, mine_map.zones),
        areas=map(_area, mine_map.areas),
    )


def _roadway(roadway: Roadway) -> mine_pb2.Roadway:
    return mine_pb2.Roadway(
        roadway_id=roadway.id,
        name=roadway.name,
        width_m=roadway.width_m,
        centreline=_points(roadway.centreline_m),
    )


def _anchor(anchor: Anchor) -> mine_pb2.Anchor:
    position = mine_pb2.Point(x_m=anchor.x_m, y_m=anchor.y_m, z_m=anchor.z_m)
    return mine_pb2.Anchor(anchor_id=anchor.id, position=position)


def _reader(reader: Reader) -> mine_pb2.Reader:
    position = mine_pb2.Point(x_m=reader.x_m, y_m=reader.y_m, z_m=reader.z_m)
    return mine_pb2.Reader(
        reader_id=reader.id,
        position=position,
        radius_m=reader.radius_m,
        heading_deg=reader.heading_deg,
    )


def _zone(zone: Zone) -> mine_pb2.Zone:
    lowest_m, highest_m = zone.z_band_m or (None, None)
    return mine_pb2.Zone(
        zone_id=zone.id,
        name=zone.name,
        kind=mine_pb2.ZoneKind.Value(f"ZONE_KIND_{zone.kind.name}"),
        rings=_rings(zone.rings_m),
        z_min_m=lowest_m,
        z_max_m=highest_m,
    )


def _area(area: Area) -> mine_pb2.Area:
    return mine_pb2.Area(area_id=area.id, name=area.name, rings=_rings(area.rings_m))


def _rings(rings_m: Sequence[NDArray[np.float64]]) -> list[mine_pb2.Ring]:
    return [mine_pb2.Ring(points=_points(ring)) for ring in rings_m]


def _points(line_m: NDArray[np.float64]) -> list[mine_pb2.Point]:
    """(n, 2) or (n, 3) metres as points; where there is no height it is 0."""
    return [
        mine_pb2.Point(**dict(zip(("x_m", "y_m", "z_m"), row, strict=False)))
        for row in line_m.tolist()
    ]
