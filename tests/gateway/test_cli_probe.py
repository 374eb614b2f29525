"""`lamproom probe modbus`: what a commissioning engineer sees of a device."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.commands import app
from tests.support.places import built_modbus_device
from tests.support.ports import free_port
from tests.support.processes import running


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("modbus")
    with running([built_modbus_device(folder), "0", "0", "1", "0"], folder, "device") as process:
        yield int(process.word_after("ready"))


def probed(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["probe", "modbus", *map(str, arguments)])


def test_registers_are_shown_under_every_type_and_word_order(port: int) -> None:
    result = probed("127.0.0.1", "--port", port, "--from", 0, "--count", 40)
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines() if line]
    assert result.output.startswith(f"modbus tcp 127.0.0.1:{port} unit 1, holding\n")
    assert ["0", "fb2e", "64302", "-1234", "1111", "1011", "0010", "1110", ".."] in lines
    two = next(line for line in lines if line[0] == "2" and line[3] == "-123456789")
    assert two == ["2", "4171510507", "854325412", "-123456789", "854325412", "-", "-"]
    eight = [line for line in lines if line[0] == "8"]
    assert any("3.25" in line for line in eight)
    assert ["-0.5" in line for line in lines if line[0] == "10"].count(True) == 1
    assert any("1000000000.125" in line or "1e+09" in line for line in lines if line[0] == "12")
    assert 'text from 30: "SN-2024/07"' in result.output


def test_what_is_refused_is_shown_as_such(port: int) -> None:
    result = probed("127.0.0.1", "--port", port, "--from", 120, "--count", 16)
    assert result.exit_code == 0
    assert result.output.endswith(
        "\nholding registers 128 to 135 refused: it has no such address (exception 2)\n"
    )
    result = probed("127.0.0.1", "--port", port, "--from", 200, "--count", 3)
    assert result.exit_code == 1
    assert "holding registers 200 to 202 refused" in result.output


def test_json_has_every_figure(port: int) -> None:
    result = probed("127.0.0.1", "--port", port, "--from", 120, "--count", 10, "--json")
    assert result.exit_code == 0
    answer = json.loads(result.output)
    assert answer["device"] == f"modbus tcp 127.0.0.1:{port} unit 1"
    assert [one["address"] for one in answer["registers"]] == list(range(120, 128))
    assert (answer["refused"][0]["from"], answer["refused"][0]["to"]) == (128, 129)
    assert answer["refused"][0]["exception"] == 2
    result = probed("127.0.0.1", "--port", port, "--from", 2, "--count", 2, "--json")
    (first, second) = json.loads(result.output)["registers"]
    assert first["int32"] == {"big": -123456789, "little": 854325412}
    assert first["float32"] == {"big": None, "little": None}
    assert (second["hex"], second["bits"], second["letters"]) == (
        "32eb",
        "0011001011101011",
        "2.",
    )
    assert "int32" not in second


def test_bits_are_shown_as_such(port: int) -> None:
    result = probed("127.0.0.1", "--port", port, "--table", "coil", "--count", 7)
    assert [line.split() for line in result.output.splitlines()[2:]] == [
        [str(at), str(int(at % 3 == 0))] for at in range(7)
    ]
    result = probed("127.0.0.1", "--port", port, "--table", "discrete", "--count", 2, "--json")
    assert json.loads(result.output)["bits"] == [
        {"address": 0, "bit": 1},
        {"address": 1, "bit": 0},
    ]


def test_a_device_that_is_not_there_is_told() -> None:
    port = free_port()
    result = probed("127.0.0.1", "--port", port)
    assert result.exit_code == 1
    assert result.stderr == (
        f"modbus tcp 127.0.0.1:{port} unit 1 can't be reached (Connection refused); "
        "check the address, the power and the network\n"
    )


def test_a_device_that_does_not_answer_is_told(port: int) -> None:
    result = probed("127.0.0.1", "--port", port, "--rtu", "--timeout", 0.2)
    assert result.exit_code == 1
    assert "gave no answer within 0.2 s" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "HOST: is missing"),
        (("h", "--serial", "/dev/x"), 'HOST: has no use with transport = "rtu", only with'),
        (("h", "--baud", "9600"), '--baud: has no use with transport = "tcp", only with "rtu"'),
        (("--rtu", "--serial", "/dev/x"), "--rtu is for HOST: on a serial port"),
        (("h", "--port", "0"), "--port: must be at least 1, not 0"),
        (("h", "--timeout", "0"), "--timeout: must be above 0, not 0"),
        (("h", "--rtu", "--unit", "0"), "--unit: must be at least 1 on a serial line"),
        (("--serial", "/dev/x", "--stop-bits", "3"), "--stop-bits: must be 1 or 2, not 3"),
        (("h", "--from", "65530", "--count", "7"), "--count: addresses end at 65535, 6 are left"),
    ],
)
def test_options_that_do_not_go_together_are_told(arguments: tuple[str, ...], text: str) -> None:
    result = probed(*arguments)
    assert result.exit_code == 1
    assert text in result.stderr


def test_a_serial_port_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = probed("--serial", tmp_path / "ttyS9", "--parity", "none")
    assert result.exit_code == 1
    assert "ttyS9 unit 1 can't be reached (No such file or directory)" in result.stderr
