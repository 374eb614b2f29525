"""No function that writes can leave, on any transport."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from pymodbus.pdu.file_message import FileRecord

from protocols.modbus.connection import Connection, LineError
from protocols.modbus.endpoint import Endpoint, SerialEndpoint, TcpEndpoint
from protocols.modbus.gate import FUNCTIONS, ReadOnlyError
from protocols.modbus.rtu_gate import Debts
from tests.protocols.modbus_peer import stream_server
from tests.protocols.rtu_peer import holding
from tests.protocols.serial_hub import hub
from tests.support.waiting import until

#: What pymodbus's calls that the driver uses are named; all others must fail.
READS = {"read_coils", "read_discrete_inputs", "read_holding_registers", "read_input_registers"}

#: Something for each argument that a call needs.
ARGUMENTS: dict[str, Any] = {
    "address": 0,
    "value": 1,
    "values": [1],
    "read_count": 1,
    "msg": b"\0\0",
    "toggle": True,
    "records": [FileRecord(file_number=1, record_number=1, record_data=b"\0\0")],
}


def called(call: Callable[..., Any]) -> Any:
    needed = inspect.signature(call).parameters.values()
    given = {
        one.name: ARGUMENTS[one.name]
        for one in needed
        if one.default is one.empty or one.name in ("values", "read_count")
    }
    return call(**given)


@pytest.mark.parametrize("transport", ["tcp", "rtu_over_tcp", "rtu"])
async def test_a_function_that_writes_never_leaves_on_any_transport(transport: str) -> None:
    """All that pymodbus offers is called on the very client that the driver reads with."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            received.append(data)

    async with hub() as line, stream_server(serve) as port:
        endpoint: Endpoint = TcpEndpoint("127.0.0.1", port, rtu=transport == "rtu_over_tcp")
        if transport == "rtu":
            endpoint = SerialEndpoint(line.gateway_port(), 19_200, "none", 1)
            received = line.requests
        connection = Connection(endpoint, Debts())
        await connection.connect(1.0)
        client = connection._client
        kinds = ("write", "mask", "readwrite", "diag", "report", "read")
        names = {name for name in dir(client) if name.startswith(kinds)} - READS
        assert {"write_coil", "write_registers", "mask_write_register"} < names
        for name in sorted(names):
            with pytest.raises(ReadOnlyError):
                await called(getattr(client, name))
        with pytest.raises(LineError, match="gave no answer"):
            await connection.read(1, holding(5), 0.2)
        await until(lambda: received, "the one read")
        connection.close()
    at = 7 if transport == "tcp" else 1
    assert [frame[at] for frame in received] == [3]
    assert set(FUNCTIONS.values()) == {1, 2, 3, 4}
