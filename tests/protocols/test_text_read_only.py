"""Nothing of the driver can send a byte, on any transport."""

import ast
import asyncio
from pathlib import Path

import pytest

import protocols.text
from tests.protocols.test_text_driver import block, called, heard_from
from tests.protocols.text_server import Sender, device, driver_for, udp_port
from tests.support.ports import free_port
from tests.support.sink import running
from tests.support.waiting import until

#: Calls by which bytes leave a process over a socket.
SENDING = {
    "write", "writelines", "write_eof", "send", "sendall", "sendto", "sendmsg", "sendfile",
    "sock_sendall", "sock_sendto", "sock_sendfile", "open_connection", "start_server",
    "create_datagram_endpoint", "shutdown",
}  # fmt: skip


def test_no_call_that_sends_is_in_the_driver() -> None:
    found = []
    for path in Path(protocols.text.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
            if name in SENDING:
                found.append((path.name, name))
    assert found == []


@pytest.mark.parametrize("transport", ["tcp", "tcp_listen", "udp"])
async def test_a_device_is_sent_nothing_while_it_is_read_and_when_that_ends(transport: str) -> None:
    async with device() as peer:
        port = {"tcp": peer.port, "tcp_listen": free_port(), "udp": udp_port()}[transport]
        async with running(driver_for(port, transport)) as (told, _):
            if transport == "tcp":
                await until(lambda: peer.writers)
                peer.send(b"garbage\r\n" + block(1, 9))
                await until(lambda: len(told.numbers()) == 9)
            elif transport == "tcp_listen":
                caller = await called(port)
                caller.send(b"garbage\r\n" + block(1, 9))
                await until(lambda: len(told.numbers()) == 9)
                assert caller.received() == b""
            else:
                sender = Sender(port)
                await until(lambda: heard_from(sender, told))
                sender.send(b"garbage\r\n" + block(2, 9))
                await until(lambda: len(told.numbers()) == 9)
                assert sender.received() == b""
        if transport == "tcp_listen":
            await until(lambda: caller.received() is None, "the end of the connection")
            caller.close()
        elif transport == "udp":
            assert sender.received() == b""
            sender.close()
        await asyncio.sleep(0)
        assert peer.received == []
