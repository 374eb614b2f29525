"""Nothing that could change anything in a controller can leave over EtherNet/IP."""

import ast
import inspect
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycomm3 import DINT, CIPDriver, LogixDriver

import protocols.ethernetip
from equipment.logix_tag import parse_tag
from protocols.ethernetip import cip, gate
from protocols.ethernetip.gate import ReadOnlyError
from protocols.ethernetip.wire import Wire
from tests.protocols.logix_peer import controller, driver_for, machine, string, typed
from tests.support.sink import running
from tests.support.waiting import until

#: Services that read, each with the class of object that is asked; 0 is a tag by its name.
READS = {(0x4C, 0), (0x0E, 1), (0x0A, 2)}
CONNECTION = {(0x54, 6), (0x5B, 6), (0x4E, 6)}

#: A merged read of a tag, connected, as the driver sends it.
HEAD = struct.pack("<HHH4sHH", 2, 0xA1, 4, b"\1\0\2\0", 0xB1, 0)[:-2]


def sent_connected(request: bytes) -> bytes:
    item = b"\7\0" + request
    data = bytes(6) + HEAD + struct.pack("<H", len(item)) + item
    return struct.pack("<HHII8sI", 0x70, len(data), 1, 0, b"_pycomm_", 0) + data


def merged(*parts: bytes) -> bytes:
    return b"\x0a\x02\x20\x02\x24\x01" + cip.merged(parts)


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(0)
        yield Wire(ours, 0.05), theirs


def refused(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ReadOnlyError):
            return True
        error = error.__cause__ or error.__context__
    return False


def over(wire: Wire) -> LogixDriver:
    """The library's own driver, with its `write`, over our wire, as if it were connected."""
    driver = LogixDriver("controller", init_tags=False)
    driver._sock = wire  # type: ignore[assignment]  # it has the calls of the library's own
    driver._connection_opened = driver._target_is_connected = True
    driver._session, driver._target_cid = 1, b"\1\0\2\0"
    driver._tags = {
        "Speed": {
            "tag_name": "Speed", "tag_type": "atomic", "data_type": "DINT", "dim": 0,
            "data_type_name": "DINT", "type_class": DINT, "instance_id": 5,
        }
    }  # fmt: skip
    return driver


@pytest.mark.parametrize(
    "call",
    [
        lambda driver: driver.write("Speed", 3),
        lambda driver: driver.write(("Speed", 3), ("Speed", 4)),
        lambda driver: driver.write("Speed.3", 1),
        lambda driver: driver.write(("Speed.3", 1), ("Speed.4", 1)),
        lambda driver: driver.set_plc_time(1),
        lambda driver: driver.get_plc_info(),
        lambda driver: driver.get_module_info(0),
        lambda driver: driver.read("Speed"),
    ],
)
def test_what_the_library_offers_beside_merged_reads_never_leaves(
    call: object, ends: tuple[Wire, socket.socket]
) -> None:
    wire, theirs = ends
    assert callable(call)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the library wraps it in its own
        call(over(wire))
    assert refused(caught.value)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "not connected"])
def test_of_all_services_only_those_that_read_leave(
    connected: bool,  # noqa: FBT001 - pytest gives it by its name
    ends: tuple[Wire, socket.socket],
) -> None:
    wire, theirs = ends
    left = set()
    for service in range(1, 128):
        for class_code in (1, 2, 6, 0x6B, 0x8B, 0xAC):
            for wrapped in (False, True):
                driver = over(wire)
                with pytest.raises(Exception) as caught:  # noqa: PT011 - the library wraps it
                    driver.generic_message(
                        service, class_code, 1, connected=connected, unconnected_send=wrapped
                    )
                if not refused(caught.value):
                    left.add((service, class_code))
                    assert theirs.recv(1000)
    # A merged request without a part is none, and what is about a connection is not connected.
    assert left == (set() if connected else CONNECTION)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


@given(st.integers(0, 255), st.binary(max_size=20))
def test_a_merged_request_with_any_other_service_is_refused(service: int, data: bytes) -> None:
    read = cip.read_tag(parse_tag("Drive[3].Speed"))
    gate.check(sent_connected(merged(cip.READ_STATUS, read)))
    other = bytes((service,)) + read[1:]
    if service != 0x4C:
        with pytest.raises(ReadOnlyError):
            gate.check(sent_connected(merged(read, other)))
    for part in (other + b"\0" + data, bytes((service,)) + data):
        if part != cip.READ_STATUS:
            with pytest.raises(ReadOnlyError):
                gate.check(sent_connected(merged(read, part)))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x70",
        struct.pack("<HHII8sI", 0x70, 0, 1, 0, b"", 0),
        struct.pack("<HHII8sI", 0x70, 5, 1, 0, b"", 0),
        struct.pack("<HHII8sI", 0x63, 0, 1, 0, b"", 0),
        struct.pack("<HHII8sI", 0x65, 4, 1, 0, b"", 0) + b"\1\0\1\0",
        sent_connected(b"\x4c\x02\x20\x6b\x24\x01\x01\x00"),
        sent_connected(b"\x0a\x02\x20\x02\x24\x01"),
        sent_connected(b"\x0a\x02\x20\x02\x24\x01\x02\x00\x06\x00"),
        # Something lies between the offsets and the first part.
        sent_connected(b"\x0a\x02\x20\x02\x24\x01" + b"\1\0\6\0" + b"\x4d\3" + cip.READ_STATUS),
        sent_connected(merged()),
        # The Template object by its number, which Read Tag can name as well.
        sent_connected(merged(b"\x4c\x02\x20\x6c\x24\x01\x01\x00")),
    ],
)
def test_what_is_no_whole_read_is_refused(message: bytes) -> None:
    with pytest.raises(ReadOnlyError):
        gate.check(message)


async def test_all_that_a_session_sends_only_reads() -> None:
    tags = {"speed": typed("REAL", 1.0), "name": string(b"x"), "status": typed("DINT", 5)}
    points = (
        'name="speed"; tag="Speed"', 'name="name"; tag="Name"; type="text"',
        'name="bit"; tag="Status.0"; type="bool"', 'name="gone"; tag="Gone"',
    )  # fmt: skip
    for large in (True, False):
        async with controller(tags=tags, large=large) as plc:
            async with running(driver_for(machine(*points), plc.port)) as (told, _):
                await until(lambda: len(told.of("speed")) > 2, "scans")
            await until(lambda: plc.connections == 0, "the leave")
        assert set(plc.asked) <= READS | CONNECTION
        assert (0x4C, 0) in plc.asked


def test_the_driver_names_no_call_of_the_library_that_writes() -> None:
    """It uses the client that has none; `generic_message` in one place, for merged reads."""
    assert not [name for name in dir(CIPDriver) if "write" in name or name.startswith("set")]
    calls = []
    for path in sorted(Path(inspect.getfile(protocols.ethernetip)).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pycomm3"):
                calls += [alias.name for alias in node.names]
            if isinstance(node, ast.Attribute) and node.attr == "generic_message":
                calls.append(node.attr)
    assert sorted(calls) == ["CIPDriver", "PycommError", "generic_message"]
