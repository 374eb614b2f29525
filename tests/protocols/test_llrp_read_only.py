"""Nothing that could change a tag, or what is not the gateway's, can leave over LLRP."""

import ast
import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocols.llrp
from protocols.llrp import gate, rospec, wire
from protocols.llrp.connection import Connection
from protocols.llrp.gate import ReadOnlyError
from protocols.llrp.options import LlrpOptions
from tests.protocols.llrp_peer import (
    ACK,
    ADD,
    CLOSE,
    DELETE,
    ENABLE,
    EVENTS,
    GET,
    SET_CONFIG,
    START,
    driver_for,
    event,
    message,
    reader,
    tag,
    tlv,
)
from tests.support.sink import running
from tests.support.waiting import until

OWN = rospec.own(14_150)
NUMBER = OWN[4:8]
LISTENS = {GET, EVENTS, ACK, CLOSE}
ABOUT_ITS_OWN = {SET_CONFIG, ADD, DELETE, ENABLE, START}


def passes(sent: bytes, own: bytes | None = OWN) -> bool:
    try:
        gate.check(sent, own)
    except ReadOnlyError:
        return False
    return True


@pytest.mark.parametrize("body", [b"", b"\0", NUMBER, bytes(4), OWN, rospec.config(1.0)])
def test_of_all_kinds_of_messages_only_those_that_listen_leave(body: bytes) -> None:
    """ADD_ACCESSSPEC (40), with which tags are written, locked and killed, is none of them."""
    for own, may in ((OWN, LISTENS | ABOUT_ITS_OWN), (None, LISTENS)):
        left = {kind for kind in range(1024) if passes(message(kind, 1, body), own)}
        assert left <= may
        assert not left & {40, 41, 42, 43, 1023}


@pytest.mark.parametrize(
    "sent",
    [
        message(SET_CONFIG, 1, b"\x80" + rospec.config(1.0)[1:]),  # all as it left the factory
        message(SET_CONFIG, 1, b"\0" + tlv(217, bytes(5))),  # antennas
        message(SET_CONFIG, 1, b"\0" + tlv(1023, bytes(8))),  # a maker's own
        message(SET_CONFIG, 1, b"\0\0"),
        message(DELETE, 1, bytes(4)),  # all ROSpecs
        message(DELETE, 1, b"\0\0\0\1"),  # another client's
        message(ENABLE, 1, b"\0\0\0\1"),
        message(START, 1, bytes(4)),
        message(ADD, 1, OWN + OWN),
        message(ADD, 1, rospec.own(1)),
        message(ADD, 1, OWN[:-1] + b"\xff"),
        message(GET, 1) + message(40, 2),
        message(GET, 1)[:-1],
        message(GET, 1, version=3),
        b"",
    ],
)
def test_what_is_more_than_its_own_rospec_is_refused(sent: bytes) -> None:
    assert not passes(sent)


@given(st.binary(max_size=60), st.integers(0, 1023))
def test_no_other_bytes_pass_than_those_the_driver_says(body: bytes, kind: int) -> None:
    if passes(message(kind, 1, body)):
        said = {
            ADD: OWN, DELETE: NUMBER, ENABLE: NUMBER, START: NUMBER,
            GET: b"", EVENTS: b"", ACK: b"", CLOSE: b"",
        }  # fmt: skip
        assert body == said.get(kind) or (kind == SET_CONFIG and body == b"\0")


def test_the_rospec_holds_no_operation_on_a_tag() -> None:
    kinds = []

    def look(data: bytes, skip: dict[int, int]) -> None:
        for one in wire.parameters(data):
            kinds.append(one.kind)
            if one.kind in skip:
                look(one.body[skip[one.kind] :], skip)

    look(OWN, {177: 6, 178: 0, 183: 4, 237: 3})
    assert kinds == [177, 178, 179, 182, 183, 184, 186, 237, 238]


async def test_what_may_not_be_said_is_not_sent() -> None:
    async with reader() as device:
        connection = Connection(LlrpOptions(host="127.0.0.1", port=device.port), None)
        await connection.open()
        for kind in (ADD, SET_CONFIG, 40, 1023):
            with pytest.raises(ReadOnlyError):
                connection.send(kind, OWN)
        await connection.leave()
        await until(lambda: device.kinds, "the leave")
        assert device.kinds == [CLOSE]


@pytest.mark.parametrize("mode", ["own", "existing"])
async def test_all_that_a_session_sends_only_listens(mode: str) -> None:
    async with reader() as device:
        async with running(driver_for(device.port, rospec=mode)) as (told, _):
            await until(lambda: EVENTS in device.kinds, "that it listens")
            device.report(tag("01"))
            device.send(62)
            device.send(63, event(tlv(251, b"")))
            device.send(40)
            await until(lambda: ACK in device.kinds and told.batches, "all that is said")
        await until(lambda: device.kinds[-1] == CLOSE, "the leave")
    may = LISTENS if mode == "existing" else LISTENS | ABOUT_ITS_OWN
    assert set(device.kinds) <= may
    assert all(passes(message(kind, 1, body)) for kind, body in device.got)


def test_only_one_place_writes_to_the_connection() -> None:
    writes = [
        path.name
        for path in sorted(Path(inspect.getfile(protocols.llrp)).parent.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"write", "writelines", "sendall"}
    ]
    assert writes == ["connection.py"]
