"""`lamproom profile`: what it lists is what the documentation shows; a new file is right."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equipment import catalogue
from equipment.catalogue import PROFILE_CLASSES
from gateway.cli.profile import profile
from gateway.cli.profile_tables import runs
from gateway.config.bundle import load
from tests.gateway.test_config_cases import CASES
from tests.support.places import ROOT

PAGE = ROOT / "docs/catalogue.md"


def run(*words: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(profile, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    shutil.copytree(CASES / "good", tmp_path / "mine")
    return tmp_path / "mine"


def stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def test_the_list_is_what_the_documentation_shows() -> None:
    status, out, _ = run("list")
    assert status == 0
    shown = re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert stripped(out) == stripped(shown[0])


def test_the_documentation_names_every_profile_that_a_document_is_behind() -> None:
    text = PAGE.read_text(encoding="utf-8")
    part = text[text.index("**As a public document") : text.index("**As such machines report")]
    named = set(re.findall(r"`([a-z0-9_]+)`", part))
    own = {
        name
        for name, file in catalogue.shipped().items()
        if re.search("map.* is public", re.sub(r"\n# ?", " ", file.read_text(encoding="utf-8")))
    }
    assert named == catalogue.shipped().keys() - own


def test_the_sample_of_the_documentation_is_a_machine(mine: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (sample,) = re.findall(r"```toml\n# devices.toml\n(.*?)```", text, re.DOTALL)
    devices, _, machines = sample.partition("# machines.toml\n")
    with (mine / "devices.toml").open("a", encoding="utf-8") as file:
        file.write(devices)
    roadway = load(mine).map.roadways[0].id
    (mine / "machines.toml").write_text(machines.replace("heading_3107", roadway), encoding="utf-8")
    (machine,) = load(mine).machines
    assert (machine.id, machine.kind) == ("bolter_3107", "bolter_miner")
    assert machine.fence is not None


def test_a_mines_own_profiles_are_listed_and_marked(mine: Path) -> None:
    text = catalogue.shipped()["monorail"].read_text(encoding="utf-8")
    ours = text.replace("Monorail hauler", "Our monorail")
    (mine / "profiles" / "monorail.toml").write_text(ours, encoding="utf-8")
    status, out, _ = run("list", "--folder", mine)
    assert status == 0
    marked = [line.split()[0] for line in out.splitlines() if " *" in line]
    assert marked == ["monorail", "pump"]
    assert "Our monorail" in out
    rows = json.loads(run("list", "--folder", mine, "--json")[1])["profiles"]
    assert {row["id"] for row in rows if row["own"]} == {"monorail", "pump"}
    assert len(rows) == len(catalogue.shipped()) + 1


def test_json_of_the_list_has_both_languages_and_figures() -> None:
    rows = {row["id"]: row for row in json.loads(run("list", "--json")[1])["profiles"]}
    assert rows.keys() == catalogue.shipped().keys()
    assert rows["roof_support_opc40560"] == {
        "id": "roof_support_opc40560",
        "kind": "machine",
        "machine": None,
        "protocol": "opcua",
        "points": 8,
        "limits": 2,
        "title": {
            "en": "Roof supports (OPC UA for mining)",
            "zh": "液压支架（OPC UA 矿业伴随规范）",
        },
        "own": False,
    }


@pytest.mark.parametrize("name", sorted(catalogue.shipped()))
def test_every_profile_is_shown(name: str) -> None:
    status, out, _ = run("show", name)
    assert status == 0
    found = catalogue.load(name)
    assert stripped(out)[0].startswith(f"{name}  {found.title.en}")
    for first, _ in runs(found.point):
        assert re.search(rf"^{first.name} ", out, re.MULTILINE), first.name
    details = json.loads(run("show", name, "--json")[1])
    assert len(details["point"]) == len(found.point)
    assert type(found).model_validate(details) == found


def test_a_fence_is_shown_in_words() -> None:
    out = run("show", "bolter_miner")[1]
    assert "machine: bolter_miner\n" in out
    assert "where: advance along its roadway" in out
    assert "fence: 4 m around an axis from 12 m behind to 5 m ahead" in out
    assert "stands while: running_state is not stopped" in out
    assert "cuts: 6 m ahead, 0 m to the left, 1.5 m above the floor" in out


def test_points_of_one_form_share_a_line() -> None:
    out = run("show", "roof_support_modbus")[1]
    assert len(out.splitlines()) < 40
    assert "front_leg_pressure_1 … 150" in out
    assert "holding 100 uint16 … 845" in out


def test_an_id_that_is_not_there_names_the_nearest() -> None:
    status, out, err = run("show", "roadheder")
    assert (status, out) == (1, "")
    assert "there is no profile 'roadheder' (did you mean 'roadheader'?)" in err


def files_of(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.toml"))


@pytest.mark.parametrize("protocol", sorted(PROFILE_CLASSES))
def test_a_new_file_passes_check_and_is_never_written_over(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = run("new", "our_pump", "--protocol", protocol)
    assert (status, out) == (0, "wrote our_pump.toml: lamproom profile check our_pump.toml\n")
    status, out, _ = run("check", "our_pump.toml")
    assert status == 0
    assert out.startswith(f"our_pump.toml: our_pump is fine: {protocol}, ")
    text = (tmp_path / "our_pump.toml").read_text(encoding="utf-8")
    assert text.count("\n#") >= 8
    status, _, err = run("new", "our_pump", "--like", "monorail")
    assert status == 1
    assert "our_pump.toml is there already: choose another id" in err
    assert (tmp_path / "our_pump.toml").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", sorted(catalogue.shipped()))
def test_one_like_another_is_that_with_another_id(name: str, mine: Path) -> None:
    before = set(files_of(mine))
    status, _, _ = run("new", "ours", "--like", name, "--folder", mine)
    assert status == 0
    (path,) = set(files_of(mine)) - before
    assert path == mine / "profiles" / "ours.toml"
    assert run("check", path)[0] == 0
    ours = catalogue.load("ours", [mine / "profiles"])
    assert ours == catalogue.load(name).model_copy(update={"id": "ours"})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("new", "a"), "give either --like OTHER or --protocol, one of: ethernetip,"),
        (("new", "a", "--like", "pump", "--protocol", "modbus"), "give either --like OTHER or"),
        (("new", "A", "--protocol", "modbus"), "'A' is no id: small letters, digits and _"),
        (("new", "../a", "--protocol", "modbus"), "'../a' is no id"),
        (("new", "a", "--protocol", "modbsu"), "no example for 'modbsu' (did you mean 'modbus'?)"),
        (("new", "a", "--like", "monorial"), "no profile 'monorial' (did you mean 'monorail'?)"),
        (("new", "a", "--like", "monorail", "--folder", "nowhere"), "nowhere is no folder"),
        (("list", "--folder", "nowhere"), "nowhere is no folder"),
    ],
)
def test_what_can_not_be_done_is_told(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run(*words)
    assert status == 1
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_check_tells_all_mistakes_of_all_files(mine: Path) -> None:
    good = mine / "profiles" / "pump.toml"
    bad = mine / "profiles" / "fan.toml"
    text = good.read_text(encoding="utf-8")
    assert 'id = "pump"' in text
    text = text.replace("address", "addres", 1).replace('unit = "', 'unite = "', 1)
    bad.write_text(text.replace('id = "pump"', 'id = "fan"'), encoding="utf-8")
    status, out, _ = run("check", good, bad, mine / "nowhere.toml")
    assert status == 1
    lines = out.splitlines()
    assert lines[0].startswith(f"{good}: pump is fine: modbus, ")
    assert f"{mine / 'nowhere.toml'}: there is no such file" in lines
    told = [line for line in lines if line.startswith(f"{bad}:")]
    assert [re.sub(r"^.*?:\d+: ", "", line) for line in told] == [
        "point[1].address: is missing",
        "point[1].addres: unknown key (did you mean 'address'?)",
        "point[1].unite: unknown key (did you mean 'unit'?)",
    ]
    assert all(re.match(rf"{re.escape(str(bad))}:\d+: ", line) for line in told)


def test_own_profiles_with_mistakes_are_told_not_listed(mine: Path) -> None:
    (mine / "profiles" / "fan.toml").write_text('id = "fan"\n', encoding="utf-8")
    status, out, _ = run("list", "--folder", mine)
    assert status == 1
    assert out.startswith(f"{mine}/profiles/fan.toml:1: protocol: unknown protocol (known: ")
    status, out, _ = run("show", "fan", "--folder", mine)
    assert (status, "unknown protocol" in out) == (1, True)
    assert run("show", "pump", "--folder", mine)[0] == 0
