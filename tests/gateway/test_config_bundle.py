"""A mine's folder as a bundle: defaults, files as editors save them, and what depends on what."""

import shutil
from pathlib import Path
from typing import ClassVar

import pytest

from equipment.modbus_profile import ModbusProfile
from equipment.profile import Profile
from equipment.toml_source import ConfigurationError
from gateway.config.bundle import load
from gateway.config.summary import summary
from positioning.mine_map import ZoneKind
from protocols.driver import DriverOptions, driver_class

GOOD = Path(__file__).parents[1] / "cases" / "config" / "good"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return shutil.copytree(GOOD, tmp_path / "mine")


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        load(folder)
    return [str(mistake) for mistake in error.value.mistakes]


def test_a_good_folder_is_loaded(mine: Path) -> None:
    bundle = load(mine)
    assert bundle.folder == mine
    assert bundle.settings.mine.name == "试验煤矿"
    assert bundle.people[2].name == "Zhang, Min"
    assert [zone.kind for zone in bundle.map.zones] == [ZoneKind.WELLHEAD, ZoneKind.RESTRICTED]
    assert [setup.device.id for setup in bundle.devices] == ["uwb_1", "gate", "pump_1", "shearer"]
    for setup in bundle.devices:
        driver = driver_class(setup.profile.protocol)
        assert setup.driver is driver
        assert isinstance(setup.options, driver.Options)
        # The driver takes what was checked; making it does no I/O.
        assert driver(setup.device.id, setup.profile, setup.options).describe()


def test_only_the_mine_itself_has_no_default(mine: Path) -> None:
    (mine / "mine.toml").write_text('[mine]\ncode = "012345678901"\nname = "M"\n')
    settings = load(mine).settings
    assert settings.mine.code == "012345678901"
    assert (settings.grpc.address, settings.grpc.port) == ("127.0.0.1", 50051)
    assert settings.positions.frame_interval_ms == 100
    assert settings.positioning.card_height_m == 1.0
    assert settings.positioning.clock_tolerance_s == 5.0
    alarm = settings.alarm
    assert (alarm.signal_lost.level, alarm.signal_lost.after_s) == (3, 30.0)
    assert (alarm.device_down.level, alarm.device_down.after_s) == (2, 5.0)
    assert alarm.restricted_entry.level == 1


def test_the_port_can_be_another_for_one_run(mine: Path) -> None:
    bundle = load(mine)
    assert bundle.with_grpc_port(4711).settings.grpc.port == 4711
    assert bundle.settings.grpc.port == 0


@pytest.mark.parametrize(
    ("line", "folder"),
    [("", "journal"), ('folder = "a/b"', "a/b"), ('folder = "/var/j"', "/var/j")],
)
def test_the_journal_is_in_the_mines_folder_unless_said_otherwise(
    mine: Path, line: str, folder: str
) -> None:
    replace(mine / "mine.toml", "[grpc]", f"[journal]\n{line}\n[grpc]")
    assert load(mine).journal_folder == mine / folder


def test_files_may_begin_with_a_byte_order_mark(mine: Path) -> None:
    for file in (*mine.glob("*.*"), *mine.glob("profiles/*")):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load(mine).settings.mine.code == "140100000002"


@pytest.mark.parametrize(
    "line",
    [
        'address = "::1"', 'address = "0.0.0.0"\nplaintext = true', 'address = "localhost"',
        'address = "gw-1.mine.example"\nplaintext = true', "port = 65535",
    ],
)  # fmt: skip
def test_where_clients_connect_can_be_chosen(mine: Path, line: str) -> None:
    (mine / "mine.toml").write_text(
        f'[mine]\ncode = "0123456789{"01"}"\nname = "M"\n[grpc]\n{line}'
    )
    assert line.partition("\n")[0].split(" = ")[1].strip('"') in str(load(mine).settings.grpc)


@pytest.mark.parametrize(
    "text",
    [
        'grpc.address = ""', 'grpc.address = "256.1.1.1"', 'grpc.address = "a b"',
        'grpc.address = "-a"', "grpc.address = 1", "grpc.port = -1", "grpc.port = 65536",
        "grpc.port = true", "grpc.port = 50051.0", "grpc = 1", "grpc = []",
        'journal.folder = ""', 'journal.folder = "a\\u0000b"', "journal.folder = 1",
        "positioning.card_height_m = -0.1", "positioning.card_height_m = 3.1",
        "positioning.card_height_m = nan", "positioning.clock_tolerance_s = 0",
        "positioning.clock_tolerance_s = inf", "positions.frame_interval_ms = 9",
        "positions.frame_interval_ms = 10001", "alarm.signal_lost.level = 0",
        "alarm.signal_lost.level = 5", "alarm.signal_lost.level = 1.5",
        "alarm.signal_lost.after_s = 0", "alarm.device_down.after_s = -1",
        'alarm.device_down.after_s = "5"', "alarm.restricted_entry.delay_s = 5",
        "alarm.fire.level = 1", 'mine.code = "1234"', 'mine.code = "١٢٣٤٥٦٧٨٩٠١٢"',
        'mine.name = " "', "mine.name = 1979-05-27",
    ],
)  # fmt: skip
def test_settings_have_limits(mine: Path, text: str) -> None:
    defaults = {"mine.code": '"012345678901"', "mine.name": '"M"'}
    key, _, value = text.partition(" = ")
    lines = [f"{name} = {given}" for name, given in (defaults | {key: value}).items()]
    (mine / "mine.toml").write_text("\n".join(lines), encoding="utf-8")
    (told,) = mistakes(mine)
    place = f"mine.toml:{lines.index(text) + 1}: "
    # An unknown table is told as such, not by what stands in it.
    assert told.startswith((f"{place}{key}: ", f"{place}{key.rpartition('.')[0]}: unknown key"))


def test_a_profile_of_the_mines_own_stands_before_a_shipped_one(mine: Path) -> None:
    pump = (mine / "profiles" / "pump.toml").read_text(encoding="utf-8")
    own = pump.replace('id = "pump"', 'id = "roadheader"')
    (mine / "profiles" / "roadheader.toml").write_text(own, encoding="utf-8")
    replace(mine / "devices.toml", 'profile = "pump"', 'profile = "roadheader"')
    profile = load(mine).devices[2].profile
    assert isinstance(profile, ModbusProfile)
    assert [point.name for point in profile.point] == ["level", "running"]


def test_a_wrong_profile_is_told_though_no_device_uses_it(mine: Path) -> None:
    (mine / "profiles" / "spare.toml").write_text("protocol = 'modbus'\n")
    assert {told.partition(":")[0] for told in mistakes(mine)} == {"profiles/spare.toml"}


def test_a_wrong_profile_is_not_told_again_as_missing(mine: Path) -> None:
    replace(mine / "profiles" / "pump.toml", 'protocol = "modbus"', 'protocol = "modbux"')
    assert mistakes(mine) == [
        "profiles/pump.toml:4: protocol: unknown protocol (did you mean 'modbus'?)"
    ]


def test_a_password_is_never_shown(mine: Path) -> None:
    line = 'user = "u"\npassword = 20242024\nroot = '
    replace(mine / "devices.toml", "root = ", line)
    (told,) = mistakes(mine)
    assert told.startswith("devices.toml:25: device[4].password: ")
    assert "2024" not in told


def test_devices_of_one_server_differ_by_their_root(mine: Path) -> None:
    text = (mine / "devices.toml").read_text(encoding="utf-8")
    fourth = text[text.rindex("[[device]]") :].replace('"shearer"', '"second"')
    (mine / "devices.toml").write_text(text + fourth.replace("app:Shearer", "app:Other"))
    assert len(load(mine).devices) == 5
    (mine / "devices.toml").write_text(text + fourth)
    (told,) = mistakes(mine)
    assert "device[5].url: the same url, root as the device 'shearer' at line 21" in told


def test_mistakes_of_one_device_hide_none_of_another(mine: Path) -> None:
    replace(mine / "devices.toml", 'id = "uwb_1"', 'id = "uwb 1"')
    replace(mine / "devices.toml", 'id = "gate"', 'id = "gaet"')
    replace(mine / "devices.toml", "unit = 2", "unit = 1")
    assert [told.partition(" device")[2][:9] for told in mistakes(mine)] == [
        "[1].id: m", "[2].id: t", "[3].host:",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["device = 1", "device = [1]", "devices = []", "[device]\nid = 1"])
def test_what_is_no_list_of_devices_is_told(mine: Path, text: str) -> None:
    (mine / "devices.toml").write_text(text)
    assert mistakes(mine)[0].startswith("devices.toml")


def test_a_driver_of_another_protocol_brings_its_own_options(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Options(DriverOptions):
        address_keys: ClassVar = ("host",)
        host: str
        unit: int = 1
        key_file: Path = Path("key.pem")

    class StandIn:
        def __init__(self, device: str, profile: Profile, options: Options) -> None:
            if options.unit > 9:
                msg = "unit: this profile has only 9"
                raise ValueError(msg)

    StandIn.Options = Options  # type: ignore[attr-defined]  # as a driver's class has it
    monkeypatch.setattr("gateway.config.devices.driver_class", lambda _: StandIn)
    (mine / "devices.toml").write_text('[[device]]\nid = "p"\nprofile = "pump"\nhost = "h"\n')
    key_file = mine.absolute() / "key.pem"
    assert load(mine).devices[0].options.model_dump() == {
        "host": "h",
        "unit": 1,
        "key_file": key_file,
    }
    with (mine / "devices.toml").open("a") as file:
        file.write("unit = 10\n")
    assert mistakes(mine)[0] == "devices.toml:5: device[1].unit: this profile has only 9"


def test_an_anchor_in_a_zone_may_be_far_from_roadways(mine: Path) -> None:
    far = "[-60, 80, -398.0]"
    replace(mine / "map.geojson", "[60, -2, -398.0]", far)
    assert mistakes(mine)[0].startswith("map.geojson:16: anchor A2: 100 m from the nearest")
    replace(mine / "map.geojson", "[-10, 10], [-10, -10]", "[-10, 90], [-70, 90], [-10, -10]")
    assert load(mine).map.anchors[1].y_m == 80
    hole = "[[-10, -10], [15, -10]"
    around = "[[[-100, -100], [20, -100], [20, 100], [-100, 100], [-100, -100]], "
    around += "[[-65, 75], [-55, 75], [-55, 85], [-65, 85], [-65, 75]]"
    replace(mine / "map.geojson", f"[{hole}, [15, 10], [-10, 90], [-70, 90], [-10, -10]]", around)
    assert "in no area or zone" in mistakes(mine)[0]


def test_an_anchor_in_an_open_area_may_be_far_from_roadways(mine: Path) -> None:
    replace(mine / "map.geojson", "[60, -2, -398.0]", "[-60, 80, -398.0]")
    area = (
        '{"type": "Feature", "properties": {"kind": "area", "id": "yard"}, "geometry": {"type": '
        '"Polygon", "coordinates": [[[-90, 60], [-30, 60], [-30, 90], [-90, 90], [-90, 60]]]}},'
    )
    replace(mine / "map.geojson", '"features": [', f'"features": [{area}')
    loaded = load(mine)
    assert [area.id for area in loaded.map.areas] == ["yard"]
    assert "of 380 m, 1 open area, with 2 anchors" in summary(loaded)


def test_a_height_band_holds_the_floor_or_a_card_above_it(mine: Path) -> None:
    sealed = '"zone": "restricted"'
    band = f'{sealed}, "z_band_m": [-399, -396]'
    replace(mine / "map.geojson", sealed, band)
    assert load(mine).map.zones[1].z_band_m == (-399.0, -396.0)
    replace(mine / "map.geojson", "[-399, -396]", "[-397, -396]")
    (told,) = mistakes(mine)
    assert "zone sealed: z_band_m: no roadway in it lies at this height" in told


def test_an_anchor_below_a_crossing_belongs_to_the_lower_roadway(mine: Path) -> None:
    crossing = (
        '{"type": "Feature", "properties": {"kind": "roadway", "id": "above", "width_m": 4}, '
        '"geometry": {"type": "LineString", "coordinates": [[60, -90, -300], [60, 90, -300]]}},'
    )
    replace(mine / "map.geojson", '"features": [', f'"features": [{crossing}')
    assert len(load(mine).map.roadways) == 2


def test_a_map_without_roadways_and_areas_is_refused(mine: Path) -> None:
    (mine / "map.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert mistakes(mine) == [
        "map.geojson: there is neither roadway nor area (cards are followed along roadways and in "
        "areas, and heights are those of floors)"
    ]


def test_doubts_are_noted_in_the_summary(mine: Path) -> None:
    text = (mine / "devices.toml").read_text(encoding="utf-8")
    pump = text[text.index('[[device]]\nid = "pump_1"') :]
    (mine / "devices.toml").write_text(pump, encoding="utf-8")
    replace(mine / "map.geojson", '"zone": "wellhead"', '"zone": "key"')
    said = summary(load(mine))
    assert "no device reads gate, which the map shows" in said
    assert "there are anchors, and no UWB reader" in said
    assert "there is no wellhead zone" in said
