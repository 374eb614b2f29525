import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from equipment.report import LinkChange, LinkState
from gateway.mine.change import Headcount
from gateway.serve.server import ServeError, Server
from lamproom.v1 import equipment_pb2, mine_pb2, position_pb2
from lamproom.v1.equipment_pb2 import WatchEquipmentRequest, WatchEquipmentResponse
from positioning.anchor_health import assess
from positioning.anchor_stats import ANCHOR_STATS
from positioning.mine_map import ZoneKind
from tests.gateway.serve_rig import (
    T0_NS,
    Rig,
    bundle_of,
    changes,
    code_of,
    fixes_of,
    sample,
    served,
)
from tests.gateway.stream_client import StreamClient
from tests.support.waiting import LONG_S

SERVICES = [
    "AlarmService",
    "EquipmentService",
    "EventService",
    "MineService",
    "MusterService",
    "PositionService",
]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


# The mine


async def test_the_map_comes_whole(rig: Rig) -> None:
    answer = await rig.mine().GetMap(mine_pb2.GetMapRequest())
    assert (answer.mine_code, answer.mine_name) == ("620000000001", "一号煤矿")
    (roadway,) = answer.roadways
    assert (roadway.roadway_id, roadway.name, roadway.width_m) == ("main", "Main", 5.0)
    assert [(p.x_m, p.y_m, p.z_m) for p in roadway.centreline] == [(0, 0, -8), (100, 0, -9)]
    anchor = answer.anchors[0]
    assert (anchor.anchor_id, anchor.position.z_m) == ("A1", 3.0)
    reader = answer.readers[0]
    assert (reader.reader_id, reader.position.x_m, reader.radius_m) == ("R1", 4.0, 8.0)
    assert [reader.HasField("heading_deg") for reader in answer.readers] == [False, True]
    assert answer.readers[1].heading_deg == 180.0
    (area,) = answer.areas
    assert (area.area_id, area.name, len(area.rings)) == ("hall", "Hall", 2)
    assert len(answer.zones) == len(ZoneKind)
    assert [zone.HasField("z_min_m") for zone in answer.zones[:2]] == [False, True]
    assert (answer.zones[1].z_min_m, answer.zones[1].z_max_m) == (-9.0, -4.0)
    (ring,) = answer.zones[0].rings
    assert [(p.x_m, p.y_m) for p in ring.points] == [(0, 0), (10, 0), (10, 10), (0, 0)]


async def test_zones_come_in_pages(rig: Rig) -> None:
    stub = rig.mine()
    kinds: list[str] = []
    token = ""
    for _ in range(3):
        answer = await stub.ListZones(mine_pb2.ListZonesRequest(page_size=3, page_token=token))
        kinds += [mine_pb2.ZoneKind.Name(zone.kind) for zone in answer.zones]
        token = answer.next_page_token
    assert token == ""
    assert kinds == [f"ZONE_KIND_{kind.name}" for kind in ZoneKind]


async def test_people_are_the_roster_and_who_was_seen_besides(rig: Rig) -> None:
    rig.cards.handle("7777")
    rig.move((0, 1.0), (2, 2.0))
    stub = rig.mine()
    answer = await stub.ListPeople(mine_pb2.ListPeopleRequest())
    assert [(one.card, one.name, one.on_roster) for one in answer.people] == [
        ("1001", "王伟", True),
        ("1002", "Anna", True),
        ("7777", "", False),
    ]
    assert (answer.people[0].job, answer.people[0].team) == ("fitter", "A")
    assert [one.kind for one in answer.people] == [
        mine_pb2.CARD_KIND_PERSON,
        mine_pb2.CARD_KIND_VEHICLE,
        mine_pb2.CARD_KIND_UNSPECIFIED,
    ]
    page = await stub.ListPeople(mine_pb2.ListPeopleRequest(page_size=2))
    rest = await stub.ListPeople(mine_pb2.ListPeopleRequest(page_token=page.next_page_token))
    assert [one.card for one in (*page.people, *rest.people)] == ["1001", "1002", "7777"]


async def test_the_headcount_is_not_0_before_it_was_counted(rig: Rig) -> None:
    stub = rig.mine()
    code, text = await code_of(stub.GetHeadcount(mine_pb2.GetHeadcountRequest()))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "has not counted yet" in text
    rig.server.publish(changes(headcount=Headcount(12, 3, {"Z1": 5})))
    answer = await stub.GetHeadcount(mine_pb2.GetHeadcountRequest())
    assert (answer.underground, answer.silent) == (12, 3)
    assert answer.count_time.ToNanoseconds() == T0_NS
    counts = {zone.zone_id: zone.count for zone in answer.zones}
    assert counts == {f"Z{n}": 5 if n == 1 else 0 for n in range(len(ZoneKind))}


# Positions, unary


async def test_positions_are_listed_with_age_and_zones(rig: Rig) -> None:
    rig.server.publish(changes(fixes_of([(0, 1.0), (1, 2.0), (0, 3.0)]), zones={0: ("Z1", "Z2")}))
    stub = rig.positions()
    answer = await stub.ListPositions(position_pb2.ListPositionsRequest())
    first, second = answer.positions
    assert (first.card, first.x_m, first.y_m, first.z_m) == ("1001", 3.0, -3.0, 1.5)
    assert (first.vx_m_s, first.vy_m_s, first.var_x_m2) == (0.5, -0.25, 0.04)
    assert (first.cov_xy_m2, first.var_y_m2, first.anchors_used) == (0.01, 0.09, 4)
    assert first.fix_class == position_pb2.FIX_CLASS_PRECISE
    assert first.measure_time.ToNanoseconds() == T0_NS + 2
    assert list(first.zone_ids) == ["Z1", "Z2"]
    assert (first.roadway_id, first.chainage_m, first.nis) == ("main", 3.0, 1.0)
    assert first.anchors_rejected == 0
    assert not first.HasField("hdop")
    assert not first.HasField("protection_m")
    ellipse = first.ellipse_95
    # tan 2φ = 2·0.01 / (0.04 − 0.09); the variance along it is 0.0919.
    assert ellipse.direction_deg == pytest.approx(79.1, abs=0.05)
    assert ellipse.semi_major_m == pytest.approx((5.991 * 0.0919) ** 0.5, rel=1e-3)
    assert ellipse.semi_minor_m == pytest.approx((5.991 * 0.0381) ** 0.5, rel=1e-3)
    # The picture's time is far ahead of the clock here, so the age is negative and said as it is.
    assert first.age_s < 0
    assert (second.card, list(second.zone_ids)) == ("1002", [])
    asked = position_pb2.ListPositionsRequest(cards=["1002", "nobody", "1002"])
    assert [one.card for one in (await stub.ListPositions(asked)).positions] == ["1002"]


async def test_a_card_without_a_fix_is_not_listed(rig: Rig) -> None:
    rig.move((1, 2.0))
    stub = rig.positions()
    answer = await stub.ListPositions(position_pb2.ListPositionsRequest())
    assert [one.card for one in answer.positions] == ["1002"]
    asked = position_pb2.ListPositionsRequest(cards=["1001"])
    assert not (await stub.ListPositions(asked)).positions


async def test_positions_come_in_pages_that_belong_to_their_request(tmp_path: Path) -> None:
    async with served(tmp_path, cards=5000) as rig:
        rig.move(*((card, float(card)) for card in range(5000)))
        stub = rig.positions()
        got: list[str] = []
        token = ""
        for _ in range(5):
            request = position_pb2.ListPositionsRequest(page_token=token, page_size=5000)
            answer = await stub.ListPositions(request)
            assert len(answer.positions) == 1000
            got += [one.card for one in answer.positions]
            token = answer.next_page_token or token
        assert not answer.next_page_token
        assert got == [f"{1001 + card}" for card in range(5000)]
        other = position_pb2.ListPositionsRequest(page_token=token, cards=["1001"])
        code, text = await code_of(stub.ListPositions(other))
        assert (code, "another request" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


@pytest.mark.parametrize("page", [{"page_size": -1}, {"page_token": "made up"}])
async def test_wrong_pages_are_refused(rig: Rig, page: dict[str, Any]) -> None:
    calls = [
        rig.positions().ListPositions(position_pb2.ListPositionsRequest(**page)),
        rig.equipment().ListEquipment(equipment_pb2.ListEquipmentRequest(**page)),
        rig.mine().ListZones(mine_pb2.ListZonesRequest(**page)),
        rig.mine().ListPeople(mine_pb2.ListPeopleRequest(**page)),
        rig.equipment().ListAnchors(equipment_pb2.ListAnchorsRequest(**page)),
    ]
    rig.server.publish(changes(anchors=assess(np.zeros(1, ANCHOR_STATS))))
    for call in calls:
        assert (await code_of(call))[0] is grpc.StatusCode.INVALID_ARGUMENT


# Equipment


async def test_equipment_is_listed_with_its_values(rig: Rig) -> None:
    link = LinkChange("shearer-1", LinkState.DOWN, "no answer for 5 s", T0_NS + 5)
    samples = (sample("speed", 4.5), sample("state", "cutting"), sample("running", value=True))
    rig.tell(*samples, link)
    stub = rig.equipment()
    answer = await stub.ListEquipment(equipment_pb2.ListEquipmentRequest())
    first, second = answer.equipment
    assert (first.device_id, first.profile, first.name) == ("shearer-1", "shearer", "No. 1")
    assert first.link_state == equipment_pb2.LINK_STATE_DOWN
    assert first.link_reason == "no answer for 5 s"
    assert first.link_change_time.ToNanoseconds() == T0_NS + 5
    speed, state, running = first.values
    assert (speed.point, speed.number, speed.unit) == ("speed", 4.5, "m/min")
    assert speed.quality == equipment_pb2.QUALITY_GOOD
    assert not speed.HasField("source_time")
    assert speed.receive_time.ToNanoseconds() == T0_NS
    assert (state.text, state.unit) == ("cutting", "")
    assert running.flag is True
    assert second.link_state == equipment_pb2.LINK_STATE_CONNECTING
    assert not second.HasField("link_change_time")
    page = await stub.ListEquipment(equipment_pb2.ListEquipmentRequest(page_size=1))
    rest = equipment_pb2.ListEquipmentRequest(page_token=page.next_page_token)
    assert [one.device_id for one in (await stub.ListEquipment(rest)).equipment] == ["shearer-2"]


async def test_a_value_that_is_missing_says_why(rig: Rig) -> None:
    missing = sample("speed", None)._replace(reason="sensor broken", source_t_ns=T0_NS - 1)
    rig.tell(missing)
    answer = await rig.equipment().ListEquipment(equipment_pb2.ListEquipmentRequest())
    (value,) = answer.equipment[0].values
    assert value.WhichOneof("value") is None
    assert (value.quality, value.quality_reason) == (equipment_pb2.QUALITY_BAD, "sensor broken")
    assert value.source_time.ToNanoseconds() == T0_NS - 1


class EquipmentWatch(StreamClient[WatchEquipmentResponse]):
    def __init__(self, rig: Rig, *device_ids: str) -> None:
        request = WatchEquipmentRequest(device_ids=device_ids)
        super().__init__(rig.equipment().WatchEquipment(request))

    async def until_sync(self) -> list[equipment_pb2.Equipment]:
        got = []
        while (message := await self.read()).WhichOneof("message") == "equipment":
            got.append(message.equipment)
        assert message.WhichOneof("message") == "sync"
        return got

    async def change(self) -> equipment_pb2.Equipment:
        while (message := await self.read()).WhichOneof("message") == "heartbeat":
            pass
        return message.equipment


async def test_equipment_is_watched_snapshot_sync_changes_heartbeat(rig: Rig) -> None:
    rig.tell(sample("speed", 1.0), sample("state", "idle"))
    watches = [EquipmentWatch(rig), EquipmentWatch(rig)]
    for watch in watches:
        first, second = await watch.until_sync()
        assert [value.point for value in first.values] == ["speed", "state"]
        assert (second.device_id, len(second.values)) == ("shearer-2", 0)
    # What the snapshot held does not come once more.
    for watch in watches:
        assert (await watch.read()).WhichOneof("message") == "heartbeat"
    rig.tell(sample("speed", 2.0))
    rig.tell(sample("speed", 3.0))  # before anyone was told
    for watch in watches:
        change = await watch.change()
        assert (change.device_id, change.values[0].number) == ("shearer-1", 3.0)
        assert len(change.values) == 1
        assert (await watch.read()).WhichOneof("message") == "heartbeat"


async def test_a_change_of_the_link_is_sent_without_values(rig: Rig) -> None:
    rig.tell(sample("speed", 1.0))
    watch = EquipmentWatch(rig)
    await watch.until_sync()
    while (await watch.read()).WhichOneof("message") != "heartbeat":
        pass
    link = LinkChange("shearer-1", LinkState.DOWN, "no answer", T0_NS)
    rig.tell(link)
    change = await watch.change()
    assert (change.link_state, len(change.values)) == (equipment_pb2.LINK_STATE_DOWN, 0)


async def test_only_the_devices_asked_for(rig: Rig) -> None:
    watch = EquipmentWatch(rig, "shearer-2")
    assert [one.device_id for one in await watch.until_sync()] == ["shearer-2"]
    rig.tell(sample("speed", 1.0), sample("speed", 2.0, "shearer-2"))
    change = await watch.change()
    assert (change.device_id, change.values[0].number) == ("shearer-2", 2.0)


async def test_a_device_that_there_is_not(rig: Rig) -> None:
    code, text = await code_of(EquipmentWatch(rig, "shearer-9").read())
    assert code is grpc.StatusCode.NOT_FOUND
    assert "'shearer-9'" in text


# The server


async def test_health_serves(rig: Rig) -> None:
    stub = health_pb2_grpc.HealthStub(rig.channel())
    for service in ("", *(f"lamproom.v1.{name}" for name in SERVICES)):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    request = health_pb2.HealthCheckRequest(service="nothing")
    code, _ = await code_of(stub.Check(request), of_grpc=True)
    assert code is grpc.StatusCode.NOT_FOUND


async def test_health_says_that_the_gateway_stops(rig: Rig) -> None:
    stub = health_pb2_grpc.HealthStub(rig.channel())
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    stop = asyncio.create_task(rig.server.stop(0.5))
    async with asyncio.timeout(LONG_S):
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await stop


async def test_reflection_names_the_services(rig: Rig) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(rig.channel())
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="lamproom.v1.EventService"),
    ]
    listed, file = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    names = {service.name for service in listed.list_services_response.service}
    assert names >= {f"lamproom.v1.{name}" for name in SERVICES}
    assert "grpc.health.v1.Health" in names
    assert file.file_descriptor_response.file_descriptor_proto


async def test_a_port_in_use_is_told(rig: Rig) -> None:
    bundle = bundle_of(port=rig.port)
    second = Server(bundle, rig.cards, rig.journal, rig.desk.ask, rig.health)
    with pytest.raises(ServeError, match=rf"127.0.0.1 port {rig.port}: Address already in use"):
        await second.start()
    await second.stop(0)


@pytest.mark.parametrize("address", ["192.0.2.1", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours_is_told(rig: Rig, address: str) -> None:
    server = Server(bundle_of(address=address), rig.cards, rig.journal, rig.desk.ask, rig.health)
    with pytest.raises(ServeError, match=f"can't listen at {address}"):
        await server.start()
    await server.stop(0)


@pytest.mark.parametrize(
    ("address", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)]
)
async def test_an_open_port_is_said_in_the_log(
    tmp_path: Path, address: str, *, warned: bool
) -> None:
    bundle = bundle_of(address=address, plaintext=warned)
    with structlog.testing.capture_logs() as logs:
        async with served(tmp_path, bundle):
            pass
    assert any("neither encrypted" in entry["event"] for entry in logs) is warned


async def test_a_request_that_is_too_large_is_refused(rig: Rig) -> None:
    request = position_pb2.ListPositionsRequest(cards=["x" * 1000] * 1000)
    code, _ = await code_of(rig.positions().ListPositions(request), of_grpc=True)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_mine_with_nothing_in_it_is_served(tmp_path: Path) -> None:
    async with served(tmp_path, bundle_of(people=(), devices=()), cards=0) as rig:
        people = await rig.mine().ListPeople(mine_pb2.ListPeopleRequest())
        assert not people.people
        assert await EquipmentWatch(rig).until_sync() == []
        positions = await rig.positions().ListPositions(position_pb2.ListPositionsRequest())
        assert not positions.positions


async def test_a_server_can_be_stopped_twice_and_before_it_was_started(rig: Rig) -> None:
    never = Server(bundle_of(), rig.cards, rig.journal, rig.desk.ask, rig.health)
    await never.stop(0)
    await rig.server.stop(0)
    await rig.server.stop(0)
