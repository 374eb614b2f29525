"""Values that are too old, and changes that are too small to be told."""

import dataclasses
from pathlib import Path

import pytest

from equipment.modbus_profile import ModbusProfile
from equipment.profile import Kind
from equipment.report import Quality, Sample
from equipment.toml_source import ConfigurationError
from gateway.config.bundle import DeviceSetup
from gateway.device_health import DeviceHealth
from gateway.inbox import DeviceInbox, Inbox
from gateway.serve.picture import CONFIRM_NS, Picture
from gateway.staleness import Staleness
from lamproom.v1 import equipment_pb2
from positioning.observation import IdTable
from protocols.readers import Extent
from tests.gateway.serve_rig import (
    PROFILE,
    T0_NS,
    S,
    bundle_of,
    sample,
    served,
)
from tests.protocols.modbus_peer import machine

GOOD = 'name="a"; address=0; type="uint16"; unit="A"'


def at(value: float, t_ns: int = T0_NS) -> Sample:
    return sample("speed", value)._replace(receive_t_ns=t_ns)


def test_a_value_is_uncertain_once_it_is_too_old_and_good_again_with_the_next() -> None:
    staleness = Staleness({"speed": 5.0})
    staleness.note([at(4.5), sample("state", 1.0)], T0_NS)
    assert staleness.due(T0_NS + 5 * S) == []
    (old,) = staleness.due(T0_NS + 5 * S + 1)
    assert (old.point, old.value, old.quality) == ("speed", 4.5, Quality.UNCERTAIN)
    assert (old.reason, old.receive_t_ns) == ("no new value for 5 s", T0_NS)
    assert staleness.due(T0_NS + 100 * S) == []  # told once
    staleness.note([at(4.5)], T0_NS + 100 * S)
    assert staleness.due(T0_NS + 104 * S) == []
    assert len(staleness.due(T0_NS + 106 * S)) == 1


def test_what_is_bad_is_not_made_better_by_its_age() -> None:
    staleness = Staleness({"speed": 5.0})
    staleness.note([at(4.5)], T0_NS)
    staleness.note([sample("speed", None)], T0_NS + S)
    assert staleness.due(T0_NS + 100 * S) == []


def test_an_inbox_tells_of_old_values_as_time_goes_on() -> None:
    now_ns = T0_NS
    inbox = Inbox()
    device = DeviceInbox(
        "shearer-1",
        Kind.MACHINE,
        inbox,
        cards=IdTable(),
        anchors=IdTable(),
        readers=IdTable(),
        extent=Extent(0.0, 0.0, 1.0, 1.0),
        clock_tolerance_ns=5 * S,
        now_ns=lambda: now_ns,
        health=DeviceHealth("", T0_NS),
        stale_s={"speed": 5.0},
    )
    device.samples([at(4.5)])
    inbox.take()
    device.tick()
    assert inbox.take().samples == ()
    now_ns += 6 * S
    device.tick()
    (old,) = inbox.take().samples
    assert old.quality is Quality.UNCERTAIN
    device.samples([at(4.5)])
    inbox.take()
    now_ns += 6 * S
    device.retire()
    device.tick()
    assert inbox.take().samples == ()


def with_deadband(**keys: object) -> Picture:
    points = [{**PROFILE.point[0].model_dump(exclude_none=True), "name": "speed", **keys}]
    profile = ModbusProfile.model_validate(
        {"id": "shearer", "title": {"en": "S", "zh": "S"}, "kind": "machine",
         "protocol": "modbus", "point": points}
    )  # fmt: skip
    setup: DeviceSetup = dataclasses.replace(bundle_of().devices[0], profile=profile)
    return Picture([setup])


@pytest.mark.parametrize(
    "keys", [{"deadband": 0.5}, {"deadband_percent": 1.0, "range": (-20.0, 30.0)}]
)
def test_small_changes_are_known_but_not_told(keys: dict[str, object]) -> None:
    picture = with_deadband(**keys)

    def told(value: float, t_ns: int = T0_NS) -> bool:
        return picture.update_devices([at(value, t_ns)], [], 1)

    assert told(4.0)
    assert not told(4.5)  # as much as the deadband, not more
    assert picture.devices["shearer-1"].samples["speed"][1].value == 4.5
    assert not told(3.5)
    # A slow drift adds up: it is compared with what was told.
    assert told(4.51)
    assert not told(4.9)
    # Its time must not grow too old.
    assert told(4.9, T0_NS + CONFIRM_NS)
    bad = at(4.9)._replace(value=None, quality=Quality.BAD, reason="no answer")
    assert picture.update_devices([bad], [], 1)
    assert told(4.9)


def test_without_a_deadband_every_value_is_told() -> None:
    picture = with_deadband()
    assert picture.update_devices([at(4.0)], [], 1)
    assert picture.update_devices([at(4.0)], [], 2)


async def test_a_client_gets_the_newest_value_of_a_list_whatever_was_told(tmp_path: Path) -> None:
    picture = with_deadband(deadband=0.5)
    setups = tuple(device.setup for device in picture.devices.values())
    async with served(tmp_path, dataclasses.replace(bundle_of(), devices=setups)) as rig:
        rig.tell(at(4.0))
        rig.tell(at(4.2))
        request = equipment_pb2.ListEquipmentRequest()
        (device,) = (await rig.equipment().ListEquipment(request)).equipment
        assert device.values[0].number == 4.2


@pytest.mark.parametrize(
    ("point", "words"),
    [
        (f"{GOOD}; deadband=1.0; deadband_percent=2.0; range=[0.0, 9.0]", "give one of them"),
        (f"{GOOD}; deadband_percent=2.0", "deadband_percent is of the range"),
        ('name="a"; address=0; type="bool"; deadband=1.0', "deadband goes with numbers"),
        ('name="a"; address=0; type="text"; length=2; deadband=1.0', "goes with numbers"),
        (f"{GOOD}; stale_s=0.05", "must be longer than its period"),
        (f"{GOOD}; deadband=0.0", "above 0"),
    ],
)
def test_what_makes_no_sense_is_told(point: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        machine(point)
