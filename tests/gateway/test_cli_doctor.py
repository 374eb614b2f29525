"""`lamproom doctor`: the folder, this computer, and each device by its own driver."""

import asyncio
import json
import re
import shutil
import socket
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.commands import app
from protocols.mqtt.options import MqttOptions
from tests.protocols.modbus_peer import answer, asked, bare_server, refusal
from tests.support.places import ROOT
from tests.support.ports import free_port

GOOD = ROOT / "tests/cases/config/good"
DEVICE = """
[[device]]
id = "{name}"
profile = "pump"
host = "127.0.0.1"
port = {port}
timeout_s = 0.5
"""


def run(*arguments: str | Path) -> tuple[int, list[dict[str, object]], str]:
    result = CliRunner().invoke(app, ["doctor", *map(str, arguments), "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    out = result.stdout
    found = json.loads(out)["findings"] if out.startswith("{") else []
    return result.exit_code, found, out


def mine_with(folder: Path, **ports: int) -> Path:
    mine = folder / "mine"
    shutil.copytree(GOOD, mine)
    text = "".join(DEVICE.format(name=name, port=port) for name, port in ports.items())
    (mine / "devices.toml").write_text(text)
    listen_at(mine, free_port())
    return mine


def listen_at(mine: Path, port: int) -> None:
    text = (mine / "mine.toml").read_text()
    (mine / "mine.toml").write_text(re.sub(r"(\[grpc\]\n)(port.*\n)?", rf"\1port = {port}\n", text))


async def test_each_device_is_read_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    def good(request: bytes) -> bytes:
        function, _, count = asked(request)
        return answer(request, bytes((count + 7) // 8 if function < 3 else 2 * count))

    async with (
        bare_server(good) as well,
        bare_server(lambda request: refusal(request, 4)) as ill,
        bare_server(lambda _: b"") as mute,
    ):
        mine = mine_with(tmp_path, well=well, ill=ill, mute=mute, absent=free_port())
        status, found, _ = await asyncio.to_thread(run, mine, "--seconds", "20")
    texts = {str(one["what"]): (one["good"], str(one["text"])) for one in found}
    assert status == 1
    assert {what for what, (is_good, _) in texts.items() if is_good} == {
        "configuration", "journal", "grpc", "well",
    }  # fmt: skip
    assert "2 of 2 points good, answers in " in texts["well"][1]
    assert "it has failed inside (exception 4)" in texts["ill"][1]
    assert "gave no answer within 0.5 s" in texts["mute"][1]
    assert "Connection refused" in texts["absent"][1]


async def test_a_bad_value_is_named_with_its_reason(tmp_path: Path) -> None:
    def beyond(request: bytes) -> bytes:
        function, _, count = asked(request)
        return answer(request, b"\xff" * ((count + 7) // 8 if function < 3 else 2 * count))

    async with bare_server(beyond) as port:
        mine = mine_with(tmp_path, pump_1=port)
        status, found, _ = await asyncio.to_thread(run, mine, "--seconds", "20")
    (pump,) = [one for one in found if one["what"] == "pump_1"]
    assert (status, pump["good"]) == (1, False)
    assert "1 of 2 points good" in str(pump["text"])
    assert "is outside" in str(pump["text"])


def test_a_port_in_use_and_mistakes_are_told(tmp_path: Path) -> None:
    mine = mine_with(tmp_path, pump_1=free_port())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen_at(mine, taken.getsockname()[1])
        status, found, _ = run(mine, "--no-devices")
    assert status == 1
    assert [one["what"] for one in found if not one["good"]] == ["grpc"]
    (mine / "devices.toml").write_text("[[device]]\nid = 3\n")
    status, found, out = run(mine)
    assert (status, found) == (1, [])
    assert out.startswith("devices.toml:")


def test_a_look_takes_no_records_from_the_gateway() -> None:
    options = MqttOptions(host="broker", topic="mine/uwb")
    assert options.aside(is_reader=True) is None
    beside = options.aside(is_reader=False)
    assert beside is not None
    assert beside.client_id not in (None, options.client_id)


def test_a_folder_must_be_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert f"{tmp_path / 'none'}: there is no such folder" in result.output


def test_a_moment_must_be_longer_than_none(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", str(tmp_path), "--seconds", "0"])
    assert result.exit_code == 2
    assert "--seconds" in result.output
