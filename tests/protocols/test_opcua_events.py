"""Events of AutoID devices on node-opcua with the official nodeset: once each, in right columns."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.client.ua_client import UaClient
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

import protocols.opcua.watch
from equipment import catalogue
from equipment.report import NoticeKind, Quality
from protocols.opcua.driver import OpcUaDriver
from protocols.supervise import Supervisor
from tests.protocols.autoid_peer import (
    T_MS,
    AutoIdServer,
    column,
    driver_for,
    found,
    profile_with,
    seen,
    subscribed,
)
from tests.protocols.test_opcua_node import READ_ONLY
from tests.support.ports import free_port
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import LONG_S, until

READER = catalogue.load("rfid_autoid_events")
ENGINE = catalogue.load("rtls_autoid")
#: Looking for types is reading too.
ONLY_READS = READ_ONLY | {"BrowseRequest", "BrowseNextRequest"}
STRENGTH = {"name": "rssi_dbm", "member": "Sighting/Strength"}
SIDE = {"name": "side", "member": "Sighting/Antenna", "values": {1: 1.0, 2: 2.0}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoIdServer]:
    peer = AutoIdServer(tmp_path_factory.mktemp("autoid"))
    try:
        yield peer
    finally:
        peer.end()


async def test_each_tag_that_a_reader_sees_is_a_record(server: AutoIdServer) -> None:
    profile = profile_with("rfid_autoid_events", STRENGTH, SIDE)
    async with running(driver_for(profile, server.port, "Reader1")) as (told, _):
        await subscribed(told)
        server.tell(json.dumps({"other": True}))
        server.raise_event("Reader1", seen("100", antenna=2, strength=-61), seen("200", T_MS + 1))
        for n in range(50):
            server.raise_event("Reader1", seen(f"{300 + n}", T_MS + 10 + n, antenna=3))
        await until(lambda: len(column(told, "card")) >= 52, "all records")
        server.raise_event("Reader1", seen("last", T_MS + 1000))
        await until(lambda: "last" in column(told, "card"), "the last record")
        assert told.good("device_status")
    assert column(told, "card") == ["100", "200", *(f"{300 + n}" for n in range(50)), "last"]
    times_ms = [T_MS, T_MS + 1, *(T_MS + 10 + n for n in range(50)), T_MS + 1000]
    assert column(told, "t_us") == [t_ms * 1000 for t_ms in times_ms]
    assert column(told, "rssi_dbm") == [-61.0] + [-60.0] * 52
    sides = column(told, "side")
    assert sides[:2] == [2.0, 1.0]
    assert all(math.isnan(side) for side in sides[2:-1]), "an antenna that stands for no side"
    assert told.notices == []
    assert len(told.batches) < 52, "the events of a message are one batch"
    for batch in told.batches:
        assert batch.device_t_ns is not None
        assert abs(batch.device_t_ns - batch.receive_t_ns) < 2_000_000_000
    assert server.requests <= ONLY_READS


async def test_an_engines_places_are_records(server: AutoIdServer) -> None:
    sigma = {"name": "sigma_m", "member": "Location/Local/DilutionOfPrecision", "scale": 0.5}
    profile = profile_with("rtls_autoid", sigma)
    without_time = found("200", 3.0, 4.0)
    without_time["location"]["local"]["timestamp"] = -11_644_473_600_000  # the year 1601: none
    async with running(driver_for(profile, server.port, "Engine1")) as (told, _):
        await subscribed(told)
        server.raise_event("Engine1", found("100", 12.5, -7.25), without_time)
        await until(lambda: len(column(told, "card")) == 2, "both records")
    assert column(told, "card") == ["100", "200"]
    assert column(told, "t_us") == [(T_MS - 1000) * 1000, T_MS * 1000]
    assert column(told, "x_m") == [12.5, 3.0]
    assert column(told, "y_m") == [-7.25, 4.0]
    assert column(told, "z_m") == [-400.0, -400.0]
    assert column(told, "sigma_m") == [1.0, 1.0]
    assert told.notices == []
    assert server.requests <= ONLY_READS


async def test_an_epc_is_the_card_by_its_last_digits(server: AutoIdServer) -> None:
    epc = {"pC": 12288, "uId": "30340242201d8840abcdef01", "xPC_W1": 0, "xPC_W2": 0}
    short = seen("") | {"scanData": {"byteString": "e0040150abcd"}}
    async with running(driver_for(READER, server.port, "Reader1")) as (told, _):
        await subscribed(told)
        server.raise_event("Reader1", seen("") | {"scanData": {"epc": epc}}, short)
        await until(lambda: len(column(told, "card")) == 2, "both records")
    assert column(told, "card") == ["42201D8840ABCDEF01", "E0040150ABCD"]


async def test_a_place_in_another_form_has_no_coordinates(server: AutoIdServer) -> None:
    named = found("100", 0.0, 0.0) | {"location": {"name": "pump room"}}
    async with running(driver_for(ENGINE, server.port, "Engine1")) as (told, _):
        await subscribed(told)
        server.raise_event("Engine1", named)
        await until(lambda: len(column(told, "card")) == 1, "the record")
    assert math.isnan(column(told, "x_m")[0])
    assert column(told, "t_us") == [T_MS * 1000]


async def test_what_can_not_be_read_is_refused_in_words_and_the_rest_is_taken(
    server: AutoIdServer,
) -> None:
    strange = {"raw": "AntennaNameIdPair", "body": "0100000001000000"}
    short = {"raw": "RfidScanResult", "body": "0000000003000000"}
    long = {
        "raw": "RfidScanResult",
        "body": "00000000" + "ffffffff" + "00" * 12 + "ffffffff" + "99",
    }
    async with running(driver_for(READER, server.port, "Reader1")) as (told, _):
        await subscribed(told)
        for result in (strange, short, long):
            server.raise_event("Reader1", result)
        server.raise_event("Reader1", seen("", 0) | {"scanData": {}})
        server.raise_event("Reader1")
        server.raise_event("Reader1", seen("100"))
        await until(lambda: "100" in column(told, "card"), "the good one")
    assert column(told, "card") == ["100"]
    assert all(kind is NoticeKind.DATA_REFUSED for kind, _, _ in told.notices)
    texts = [text for _, count, text in told.notices for _ in range(count)]
    assert [text.partition("(")[0] for text in texts] == [
        "aid:ScanResult is a structure that is not expected ",
        "aid:ScanResult has bytes that are not of its type, RfidScanResult",
        "aid:ScanResult has more bytes than the server's own definition of RfidScanResult tells",
        "t_us: the event tells no time",
        "aid:ScanResult: 0 elements ",
    ]


@pytest.mark.parametrize(
    ("column_wrong", "told"),
    [
        ({"name": "flags", "member": "Sighting/Flags"}, "has no member Sighting/Flags (it has Co"),
        ({"name": "flags", "path": "aid:Flags", "member": "A"}, "RfidScanEventType has no field"),
        ({"name": "flags", "path": "aid:Flags"}, "does not give the events' field aid:Flags"),
        ({"name": "flags", "path": "aid:DeviceName", "member": "A"}, "it is no structure"),
    ],
)
async def test_what_the_events_do_not_have_ends_the_session_in_words(
    server: AutoIdServer, column_wrong: dict[str, str], told: str
) -> None:
    profile = profile_with("rfid_autoid_events", column_wrong)
    text, _ = await failure_of(driver_for(profile, server.port, "Reader1"))
    assert told in text


async def test_a_type_or_an_object_that_is_not_there_ends_the_session_in_words(
    server: AutoIdServer,
) -> None:
    words = profile_with("rfid_autoid_events").model_dump()
    words["event"]["type"] = "aid:RfidEventType"
    profile = type(profile_with("rfid_autoid_events")).model_validate(words)
    text, _ = await failure_of(driver_for(profile, server.port, "Reader1"))
    assert "the server has no event types aid:RfidEventType" in text
    text, _ = await failure_of(driver_for(READER, server.port, "Reader2"))
    assert "node not found: path step site:Reader2 in Objects/di:DeviceSet" in text
    root = "di:DeviceSet"
    text, _ = await failure_of(driver_for(READER, server.port, "Reader1", root=root))
    assert "the server gives no events of this object (its EventNotifier says so)" in text


async def test_structures_that_a_server_does_not_define_end_the_session_in_words(
    server: AutoIdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = UaClient.read_attributes

    async def before_1_04(
        client: UaClient, nodes: list[ua.NodeId], attribute: AttributeIds
    ) -> list[ua.DataValue]:
        if attribute == AttributeIds.DataTypeDefinition:
            bad = ua.StatusCode(ua.UInt32(StatusCodes.BadAttributeIdInvalid))
            return [ua.DataValue(StatusCode=bad) for _ in nodes]
        return await read(client, nodes, attribute)

    monkeypatch.setattr(UaClient, "read_attributes", before_1_04)
    text, _ = await failure_of(driver_for(READER, server.port, "Reader1"))
    assert (
        "aid:ScanResult can't be read: the server gives no definition (DataTypeDefinition) of "
        "RfidScanResult" in text
    )


async def test_types_that_a_server_tells_piece_by_piece_are_all_found(
    server: AutoIdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    browse = UaClient.browse
    pieces: list[int] = []

    async def few(client: UaClient, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        parameters.RequestedMaxReferencesPerNode = ua.UInt32(1)
        results = await browse(client, parameters)
        pieces.extend(len(one.References or ()) for one in results)
        return results

    monkeypatch.setattr(UaClient, "browse", few)
    async with running(driver_for(READER, server.port, "Reader1")) as (told, _):
        await subscribed(told)
        server.raise_event("Reader1", seen("100"))
        await until(lambda: column(told, "card") == ["100"], "the record")
    assert max(pieces) == 1
    assert "BrowseNextRequest" in server.requests <= ONLY_READS


@asynccontextmanager
async def supervised(driver: OpcUaDriver) -> AsyncIterator[Told]:
    told = Told()
    supervisor = Supervisor(driver, told, silence_s=READER.scan.silence_s)
    task = asyncio.create_task(supervisor.run())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=LONG_S)


async def test_each_event_comes_once_also_after_a_restart_with_other_namespaces(
    tmp_path: Path,
) -> None:
    port = free_port()
    with ExitStack() as stack:
        first = AutoIdServer(tmp_path, port=port)
        stack.callback(first.end)
        assert first.port == port
        async with supervised(driver_for(READER, port, "Reader1")) as told:
            await subscribed(told)
            for n in range(20):
                first.raise_event("Reader1", seen(f"a{n}"))
            await until(lambda: len(column(told, "card")) == 20, "those before")
            first.kill()
            before = len(told.answers)
            second = AutoIdServer(tmp_path, port=port, shift=2)
            stack.callback(second.end)
            await until(lambda: second.ready, "the peer is back")
            await subscribed(told, before)
            for n in range(20):
                second.raise_event("Reader1", seen(f"b{n}"))
            await until(lambda: "b19" in column(told, "card"), "those after")
        assert second.requests <= ONLY_READS
    assert column(told, "card") == [f"{part}{n}" for part in "ab" for n in range(20)]
    assert told.notices == []


async def test_an_object_that_is_made_anew_gives_its_events_again(
    server: AutoIdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.opcua.watch, "RETRY_S", 0.3)
    monkeypatch.setattr("protocols.opcua.driver.REREAD_MAX_S", 0.3)
    async with supervised(driver_for(READER, server.port, "Reader1")) as told:
        await subscribed(told)
        server.tell(json.dumps({"remove": "Reader1"}))
        gone = "node not found: path step site:Reader1"
        await until(lambda: any(gone in reason for _, reason in told.links), "it is missed")
        before = len(told.answers)
        server.tell(json.dumps({"add": "Reader1"}))
        await subscribed(told, before)
        server.raise_event("Reader1", seen("back"))
        await until(lambda: column(told, "card") == ["back"], "its events are taken again")
        await until(
            lambda: (one := told.last("device_status")) and one.quality is Quality.GOOD, "its state"
        )
