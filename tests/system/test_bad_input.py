"""Bad devices, bad configurations, bad requests: a clear error each, and all else goes on."""

import asyncio
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from hil_sim.sample_mine import Ports, write_sample_mine
from lamproom.v1 import (
    equipment_pb2,
    event_pb2,
    event_pb2_grpc,
    position_pb2,
    position_pb2_grpc,
)
from tests.support.ports import free_port
from tests.support.processes import gateway, lamproom, running, simulator, watcher
from tests.support.waiting import LONG_S
from tests.system import answers

Answer = Callable[[bytes], bytes | None]


def framed(request: bytes, unit_function_and_data: bytes) -> bytes:
    """A Modbus TCP answer to `request`."""
    return request[:4] + struct.pack(">H", len(unit_function_and_data)) + unit_function_and_data


def _exception(request: bytes, code: int) -> bytes:
    return bytes([request[6], request[7] | 0x80, code])


#: Each kind of bad device: what it answers (None: nothing), and words of what must be said of it.
BAD: dict[str, tuple[Answer, str]] = {
    "short": (lambda request: framed(request, request[6:8] + b"\x02\x00\x01"), "were asked"),
    "garbage": (lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n", "answer"),
    "exception": (lambda request: framed(request, _exception(request, 4)), "exception 4"),
    "never": (lambda request: None, "1 s"),
}


@contextmanager
def bad_device(answer: Answer) -> Iterator[int]:
    """A TCP server in a thread that answers every request with `answer`; gives its port."""
    started: list[int] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                header = await reader.readexactly(6)
                request = header + await reader.readexactly(int.from_bytes(header[4:], "big"))
                reply = answer(request)
                if reply is not None:
                    writer.write(reply)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            started.append(server.sockets[0].getsockname()[1])
            ready.set()
            with suppress(asyncio.CancelledError):
                await server.serve_forever()

    main_task: list[Awaitable[None]] = []

    def run() -> None:
        asyncio.set_event_loop(loop)
        main_task.append(task := loop.create_task(main()))
        loop.run_until_complete(task)
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in main_task])  # type: ignore[attr-defined]  # a task
        thread.join(10)


def test_bad_devices_are_told_and_stop_no_other(tmp_path: Path) -> None:
    mine, port = tmp_path / "mine", free_port()
    write_sample_mine(mine, people=40, ports=Ports.free())
    with ExitStack() as stack:
        # The simulator serves only what is written until now.
        stack.enter_context(simulator(mine, tmp_path))
        text = ""
        for name, (answer, _) in BAD.items():
            bad_port = stack.enter_context(bad_device(answer))
            text += f"""
[[device]]
id = "{name}"
profile = "roadheader"
host = "127.0.0.1"
port = {bad_port}
"""
        (mine / "devices.toml").write_text((mine / "devices.toml").read_text() + text)
        with (mine / "mine.toml").open("a") as file:
            file.write("\n[alarm.device_down]\nafter_s = 1\n")
        stack.enter_context(gateway(mine, port, tmp_path))
        watch = stack.enter_context(watcher(port, tmp_path))

        def down() -> set[str]:
            return {device for change, device in answers.alarms(port, "device_down")}

        watch.wait_for(lambda: down() >= set(BAD))
        found = answers.equipment(port)
        for name, (_, words) in BAD.items():
            device = found[name]
            assert device.link_state == equipment_pb2.LINK_STATE_DOWN, name
            print(f"{name}: {device.link_reason}")
            assert words in device.link_reason, name
            assert "127.0.0.1" in device.link_reason, name
            good = [v.point for v in device.values if v.quality == equipment_pb2.QUALITY_GOOD]
            assert good == [], f"{name} gives no good value"

        def others_are_up() -> bool:
            now = answers.equipment(port)
            others = ("shearer_3101", "roadheader_3105", "uwb_1", "shearer_3103")
            return all(now[one].link_state == equipment_pb2.LINK_STATE_UP for one in others)

        watch.wait_for(others_are_up)
        # Positions go on beside them.
        for _ in range(5):
            before = watch.count('"position"')
            watch.wait_for(lambda: watch.count('"position"') > before + 20)


def status_of(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as failed:
        call()
    error = failed.value
    assert isinstance(error, grpc.Call)
    return error.code(), error.details() or ""


def test_impossible_requests_get_a_clear_status(tmp_path: Path) -> None:
    mine, port = tmp_path / "mine", free_port()
    write_sample_mine(mine, people=5, ports=Ports.free())
    with ExitStack() as stack:
        stack.enter_context(gateway(mine, port, tmp_path))
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        events = event_pb2_grpc.EventServiceStub(channel)
        positions = position_pb2_grpc.PositionServiceStub(channel)
        for nonsense in (b"x", b"\x00" * 64, bytes(range(33))):
            request = event_pb2.WatchEventsRequest(cursor=nonsense)
            code, text = status_of(lambda: next(events.WatchEvents(request, timeout=LONG_S)))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert "cursor" in text
            watch = position_pb2.WatchPositionsRequest(cursor=nonsense)
            code, text = status_of(lambda: next(positions.WatchPositions(watch, timeout=LONG_S)))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert "cursor" in text
        ahead = event_pb2.WatchEventsRequest(sequence=10**12)
        code, text = status_of(lambda: next(events.WatchEvents(ahead, timeout=LONG_S)))
        assert code is grpc.StatusCode.OUT_OF_RANGE
        assert "1000000000000" in text
        page = event_pb2.ListEventsRequest(page_token="nonsense")
        assert status_of(lambda: events.ListEvents(page, timeout=LONG_S))[0] is (
            grpc.StatusCode.INVALID_ARGUMENT
        )
        assert answers.events(port), "the gateway goes on"


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_bad_configuration_is_told_with_file_and_line(tmp_path: Path, command: str) -> None:
    mine = tmp_path / "mine"
    write_sample_mine(mine, people=5, ports=Ports.free())
    (mine / "mine.toml").write_text('[mine]\ncode = "12"\nname = "x"\nnmae = "y"\n')
    with (mine / "people.csv").open("a") as file:
        file.write("1.40E+16,someone,,,,,\n")
    with running(lamproom(command, mine), tmp_path, command) as process:
        assert process.popen.wait(60) == 1
        told = process.out + process.err
    assert "mine.toml:2: mine.code" in told
    assert "mine.toml:4: mine.nmae" in told
    assert "did you mean 'name'?" in told
    assert "people.csv:9" in told
    assert "Traceback" not in told


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    mine, port = tmp_path / "mine", free_port()
    write_sample_mine(mine, people=5, ports=Ports.free())
    write_sample_mine(tmp_path / "other", people=5, ports=Ports.free())
    with gateway(mine, port, tmp_path):
        command = lamproom("run", tmp_path / "other", "--grpc-port", str(port))
        with running(command, tmp_path, "other") as process:
            assert process.popen.wait(60) == 1
            assert str(port) in process.err
            assert "Traceback" not in process.err
