import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.gateway.serve_rig import T0_NS, bundle_of, served
from tests.support.json_lines import JsonLines, printing
from tests.support.ports import free_port

COMMAND = "import typer; from gateway.cli.watch import watch; typer.run(watch)"


def watching(port: int, *options: str | Path) -> AbstractAsyncContextManager[JsonLines]:
    """A running `lamproom watch`."""
    return printing(sys.executable, "-c", COMMAND, f"127.0.0.1:{port}", *options)


async def test_json_lines_hold_everything(tmp_path: Path) -> None:
    async with served(tmp_path) as rig, watching(rig.port, "--json") as watcher:
        streams = [{"kind": "sync", "stream": stream} for stream in ("positions", "events")]
        await watcher.until_all(*streams)
        rig.move((0, 1.125), (0, 2.0))
        assert await watcher.until(kind="position") == {
            "kind": "position",
            "card": "1001",
            "t_ns": T0_NS,
            "x_m": 1.125,
            "y_m": -1.125,
            "z_m": 1.5,
            "var_x_m2": pytest.approx(0.04),
            "cov_xy_m2": pytest.approx(0.01),
            "var_y_m2": pytest.approx(0.09),
            "class": "precise",
            "roadway_id": "main",
            "chainage_m": 1.125,
            "age_s": 0.0,
            "hdop": None,
            "anchors_used": 4,
            "anchors_rejected": 0,
            "nis": 1.0,
            "protection_m": None,
            "snapshot": False,
        }
        assert (await watcher.until(kind="position"))["x_m"] == 2.0
        await rig.happen(1, text="有人")
        assert await watcher.until(kind="event") == {
            "kind": "event",
            "sequence": 1,
            "event": "alarm_raised",
            "card": "1001",
            "zone_id": "Z1",
            "device_id": "",
            "anchor_id": "",
            "hazard_id": "",
            "alarm": {"id": "a-1", "rule": "restricted_entry", "level": 1},
            "text": "有人",
            "count": 0,
            "drill": False,
            "time": "2027-01-15T08:00:00.000000Z",
            "t_ns": T0_NS + 1,
        }
        assert await watcher.end() == 0


async def test_ctrl_c_ends_at_once_and_well(tmp_path: Path) -> None:
    async with served(tmp_path) as rig, watching(rig.port, "--json") as watcher:
        await watcher.until(kind="sync")
        assert await watcher.end(signal.SIGINT) == 0


async def test_a_restarted_gateway_is_followed_without_loss_or_repeat(tmp_path: Path) -> None:
    port = free_port()
    bundle = bundle_of(port=port)
    async with watching(port, "--json", "--from-sequence", "1") as watcher:
        assert "trying again" in await watcher.complaint()
        for last in (3, 6, 9):
            async with served(tmp_path, bundle) as rig:
                await rig.happen(3)
                rig.move((0, float(last)))
                await watcher.until_all(
                    {"kind": "event", "sequence": last}, {"kind": "position", "x_m": float(last)}
                )
        assert watcher.sequences() == list(range(1, 10))
        resets = [line for line in watcher.lines if line["kind"] == "reset"]
        assert {line["stream"] for line in resets} == {"positions"}
        assert await watcher.end() == 0


async def test_the_cursor_file_carries_on_from_run_to_run(tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    options = ("--json", "--from-sequence", "1", "--cursor-file", file)
    async with served(tmp_path / "journal") as rig:
        seen: list[int] = []
        for last in (2, 4, 6):
            await rig.happen(2)
            async with watching(rig.port, *options) as watcher:
                await watcher.until(kind="event", sequence=last)
                await watcher.until(kind="sync", stream="events")
                assert await watcher.end() == 0
                seen += watcher.sequences()
        assert seen == [1, 2, 3, 4, 5, 6]


async def test_after_its_time_it_ends_well(tmp_path: Path) -> None:
    async with served(tmp_path) as rig, watching(rig.port, "--json", "--seconds", "1") as watcher:
        await watcher.until(kind="sync")
        assert await watcher.status() == 0


async def test_a_gateway_that_is_not_there_is_told(tmp_path: Path) -> None:
    port = free_port()
    async with watching(port, "--json", "--seconds", "1") as watcher:
        assert await watcher.status() == 1
        said = [await watcher.complaint() for _ in range(3)]
        assert sum("trying again" in line for line in said) == 2
        assert said[-1] == f"127.0.0.1:{port} was not reached within 1 s\n"


async def test_an_event_that_there_is_not_yet_is_refused(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as rig,
        watching(rig.port, "--json", "--from-sequence", "5") as watcher,
    ):
        assert await watcher.status() == 1
        assert "refuses: sequence asks for event 5: the newest is 0" in await watcher.complaint()


@pytest.mark.parametrize(
    ("content", "text"), [(b"not base64!\n", "it holds no cursor"), (b"AAAA\n", "has 3 bytes")]
)
async def test_a_wrong_cursor_file_is_told(tmp_path: Path, content: bytes, text: str) -> None:
    file = tmp_path / "cursor"
    file.write_bytes(content)
    async with (
        served(tmp_path / "journal") as rig,
        watching(rig.port, "--cursor-file", file) as watcher,
    ):
        assert await watcher.status() == 1
        assert text in await watcher.complaint()


async def test_a_cursor_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    file = tmp_path / "no such folder" / "cursor"
    async with (
        served(tmp_path / "journal") as rig,
        watching(rig.port, "--cursor-file", file) as watcher,
    ):
        assert await watcher.status() == 1
        assert "the cursor can't be kept" in await watcher.complaint()


async def test_plain_lines_are_for_a_reader(tmp_path: Path) -> None:
    async with served(tmp_path) as rig, watching(rig.port) as watcher:
        synced = {await watcher.text() for _ in range(2)}
        assert synced == {"-- sync: stream positions", "-- sync: stream events"}
        rig.move((0, 1.0), (1, 2.0))
        place = "x 1.00  y -1.00  z 1.50  ±0.30 m  precise  main 1.0 m"
        assert await watcher.text() == f"2027-01-15T08:00:00.000000Z  card 1001  {place}"
        assert "card 1002" in await watcher.text()
        rig.move((0, 3.0))
        await rig.happen(1)
        # Card 1001 was shown less than a second ago.
        expected = "2027-01-15T08:00:00.000000Z  event 1  alarm_raised  level 1  someone went in"
        assert await watcher.text() == expected
        assert await watcher.end() == 0


async def test_whoever_stops_reading_is_no_error(tmp_path: Path) -> None:
    async with served(tmp_path) as rig, watching(rig.port, "--json") as watcher:
        await watcher.until(kind="sync")
        await watcher.until(kind="sync")
        assert watcher.process.stdout
        watcher.process.stdout._transport.close()  # type: ignore[attr-defined]  # no public way
        for _ in range(20):
            await rig.happen(1)
        assert await watcher.status() == 0
        assert await watcher.complaint() == ""
