"""`lamproom browse opcua`: the tree, what is looked for, and a profile that the driver can use."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from typer.testing import CliRunner

from equipment.catalogue import parse_profile
from equipment.opcua_profile import OpcUaProfile
from equipment.report import Quality
from gateway.cli.browse import _snake
from gateway.cli.commands import app
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions
from protocols.opcua.tree import short_prefixes
from tests.protocols.opcua_peer import NodeServer, shearer
from tests.support.ports import free_port
from tests.support.sink import running
from tests.support.waiting import until

SITE = "urn:lamproom:test:Pump"
HEAD = """
id = "found"
title = { en = "Found", zh = "found" }
kind = "machine"
protocol = "opcua"
"""


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["browse", "opcua", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


async def asked(*arguments: str) -> tuple[int, str, str]:
    return await asyncio.to_thread(run, *arguments)


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    """A pump with what an analogue value tells of itself, a loop of folders, and an enumeration."""
    server = Server()
    await server.init()
    address = f"opc.tcp://127.0.0.1:{free_port()}"
    server.set_endpoint(address)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(SITE)
    states = await server.nodes.enum_data_type.add_data_type(index, "PumpState")
    fields = [ua.EnumField(Value=n, Name=name) for n, name in enumerate(("STOPPED", "OnDuty"))]
    definition = ua.DataValue(ua.Variant(ua.EnumDefinition(fields)))
    await states.write_attribute(AttributeIds.DataTypeDefinition, definition)
    pump = await server.nodes.objects.add_object(index, "Pump1")
    pressure = await pump.add_variable(index, "OutletPressure", 4.5)
    units = ua.EUInformation(DisplayName=ua.LocalizedText("MPa"))
    await pressure.add_property(0, "EngineeringUnits", units)
    await pressure.add_property(0, "EURange", ua.Range(Low=0.0, High=60.0))
    motor = await pump.add_object(index, "Motor")
    await motor.add_variable(index, "OutletPressure", 1.0)
    await motor.add_variable(index, "Running", val=True)
    await motor.add_variable(index, "Phases", [1.0, 2.0, 3.0])
    await motor.add_variable(index, "State", 1, ua.VariantType.Int32, states.nodeid)
    await motor.add_reference(pump, ObjectIds.Organizes)
    async with server:
        yield address


async def test_the_tree_shows_paths_values_units_and_states(url: str) -> None:
    status, out, err = await asked(url)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"pump = {SITE}"
    assert "pump:Pump1" in lines
    assert "  pump:OutletPressure Double = 4.5 MPa" in lines
    assert "    pump:Running Boolean = True" in lines
    assert "    pump:State Int32 = 1 OnDuty" in lines
    # What a loop of references leads back to is told once.
    assert sum("pump:OutletPressure" in line for line in lines) == 2
    assert not any("EURange" in line for line in lines)


async def test_only_what_is_looked_for_is_shown(url: str) -> None:
    _, out, _ = await asked(url, "--search", "motor/pump:run")
    assert out.splitlines()[1:] == ["    pump:Running Boolean = True"]
    _, out, _ = await asked(url, "--root", "pump:Pump1/pump:Motor", "--json")
    shown = json.loads(out)
    paths = [node["path"] for node in shown["nodes"] if node["variable"]]
    assert paths[:4] == ["pump:OutletPressure", "pump:Running", "pump:Phases", "pump:State"]
    assert shown["nodes"][3]["states"] == {"0": "STOPPED", "1": "OnDuty"}
    assert shown["namespaces"] == {"pump": SITE}


async def test_what_is_cut_off_is_said(url: str) -> None:
    status, out, err = await asked(url, "--most", "3", "--json")
    assert (status, json.loads(out)["cut"], len(json.loads(out)["nodes"])) == (0, True, 3)
    assert err == "there is more than 3 nodes: say --root or --most\n"
    _, out, err = await asked(url, "--depth", "1", "--json")
    assert [node["path"] for node in json.loads(out)["nodes"]] == ["pump:Pump1"]
    assert err == ""


async def test_the_lines_of_a_profile_are_a_profile_that_can_be_read(url: str) -> None:
    _, out, _ = await asked(url, "--root", "pump:Pump1", "--depth", "2", "--profile")
    profile = parse_profile(HEAD + out, "found.toml")
    assert isinstance(profile, OpcUaProfile)
    points = {point.name: point for point in profile.point}
    assert list(points) == ["outlet_pressure", "motor_outlet_pressure", "running", "state"]
    assert (points["outlet_pressure"].unit, points["outlet_pressure"].range) == ("MPa", (0.0, 60.0))
    assert points["state"].states == {0: "stopped", 1: "on_duty"}
    options = OpcUaOptions(url=url, root="pump:Pump1")
    async with running(OpcUaDriver("pump1", profile, options)) as (told, _):
        await until(lambda: len(told.latest()) == len(points))
    assert {name: sample.value for name, sample in told.latest().items()} == {
        "outlet_pressure": 4.5,
        "motor_outlet_pressure": 1.0,
        "running": True,
        "state": "on_duty",
    }


async def test_what_is_wrong_is_told_in_words(url: str) -> None:
    status, out, err = await asked(url, "--root", "pump:Pump2")
    assert (status, out) == (1, "")
    assert err == f"{url}: node not found: path step pump:Pump2 in Objects\n"
    _, _, err = await asked(url, "--root", "x:Pump1")
    assert err == f"{url}: there is no prefix 'x' (known: server, pump)\n"
    status, _, err = await asked(f"opc.tcp://127.0.0.1:{free_port()}")
    assert status == 1
    assert "connection refused: check that the server runs" in err
    status, _, err = await asked("http://127.0.0.1")
    assert (status, err) == (1, "URL: must be opc.tcp://host:port, not 'http://127.0.0.1'\n")
    status, _, err = await asked(url, "--user", "reader")
    assert (status, err) == (1, "user goes with password or password_file\n")


def test_prefixes_are_short_and_each_its_own() -> None:
    uris = ("http://opcfoundation.org/UA/", "urn:x:DI", "http://y/UA/DI/", "http://z/1/", "9")
    assert list(short_prefixes(uris).values()) == ["", "di", "di_2", "z", "ns"]


@pytest.mark.parametrize(
    ("browse_name", "name"),
    [
        ("DrivingDirection", "driving_direction"),
        ("AFCState", "afc_state"),
        ("MaxLength2", "max_length_2"),
        ("3D", "p_3_d"),
        ("压力", "p"),
    ],
)
def test_a_browse_name_becomes_a_name(browse_name: str, name: str) -> None:
    assert _snake(browse_name) == name


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[NodeServer]:
    process = NodeServer(tmp_path / "pki")
    try:
        yield process
    finally:
        process.end()


async def test_the_official_shearer_is_shown_by_another_make_and_nothing_is_written(
    peer: NodeServer,
) -> None:
    await until(lambda: peer.ready, "the server")
    url, root = f"opc.tcp://127.0.0.1:{peer.port}", "di:DeviceSet/mine:Shearer1"
    _, out, err = await asked(url, "--root", root)
    assert err == ""
    assert "  shearerloader:MaxLength Double = 14.5" in out.splitlines()
    assert "  shearerloader:DrivingDirection Int32 = 2 RIGHT" in out.splitlines()
    _, out, _ = await asked(url, "--root", root, "--profile")
    profile = parse_profile(HEAD + out, "found.toml")
    assert isinstance(profile, OpcUaProfile)
    driver = shearer(profile, peer.port)
    async with running(driver) as (told, _):
        await until(lambda: bool(told.of("max_length")))
    sample = told.of("max_length")[0]
    assert (sample.value, sample.quality) == (14.5, Quality.GOOD)
    assert not {kind for kind in peer.requests if "Write" in kind or "Call" in kind}
