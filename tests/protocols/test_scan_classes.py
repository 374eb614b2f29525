"""Points that are read more often, or less, than the others of their device."""

from collections import Counter
from typing import Any

import pytest
from asyncua import ua

from equipment.modbus_profile import ModbusProfile
from equipment.opcua_profile import OpcUaProfile
from equipment.report import Quality
from equipment.toml_source import ConfigurationError
from protocols.losses import Losses
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions
from protocols.opcua.subscription import Subscription
from tests.protocols.modbus_peer import answer, asked, bare_server, driver_for, machine, refusal
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import until

#: The server that is not asked here.
NOBODY: Any = None
CLASSES = "classes = { slow = 1.5, fast = 0.1 }"
SCAN = 'name="{}"; address={}; type="int16"'


def three_paces(*more: str) -> list[str]:
    names = ("usual", "often", "rarely", "rarely_too")
    classes = ("", '; scan="fast"', '; scan="slow"', '; scan="slow"')
    places = (0, 1, 2, 3)
    rows = zip(names, places, classes, strict=True)
    return [SCAN.format(name, place) + words for name, place, words in rows] + list(more)


def profile(*points: str, silence_s: float = 2.0) -> ModbusProfile:
    return machine(*points, scan=f"{{ period_s = 0.3, silence_s = {silence_s}, {CLASSES} }}")


async def test_each_class_has_reads_of_its_own_at_its_own_pace() -> None:
    reads: Counter[tuple[int, int]] = Counter()

    def record(request: bytes) -> bytes:
        _, address, count = asked(request)
        reads[address, count] += 1
        return answer(request, bytes(2 * count))

    async with (
        bare_server(record) as port,
        running(driver_for(profile(*three_paces()), port)) as (told, _),
    ):
        await until(lambda: reads[2, 2] == 3, "two periods of the slow ones")
        counts = reads.copy()
    assert set(counts) == {(0, 1), (1, 1), (2, 2)}  # nothing is read along
    assert counts[1, 1] > counts[0, 1] > counts[2, 2]
    assert set(told.latest()) == {"usual", "often", "rarely", "rarely_too"}


async def test_a_class_that_is_refused_is_bad_and_the_others_go_on() -> None:
    def refuse(request: bytes) -> bytes:
        _, address, count = asked(request)
        return refusal(request, 2) if address == 1 else answer(request, bytes(2 * count))

    async with (
        bare_server(refuse) as port,
        running(driver_for(profile(*three_paces()), port)) as (told, task),
    ):
        await until(lambda: len(told.of("usual")) > 5, "the others")
        await until(lambda: bool(told.of("often")), "what is refused")
        assert not task.done()
    assert {sample.quality for sample in told.of("often")} == {Quality.BAD}
    assert told.good("usual")


async def test_a_device_that_refuses_all_of_its_classes_is_down() -> None:
    async with bare_server(lambda request: refusal(request, 4)) as port:
        text, told = await failure_of(driver_for(profile(*three_paces()), port))
    assert "it has failed inside (exception 4)" in text
    assert told.heard_count == 0


async def test_a_device_that_begins_to_refuse_all_is_down() -> None:
    works = True

    def reply(request: bytes) -> bytes:
        return answer(request, bytes(2 * asked(request)[2])) if works else refusal(request, 6)

    async with (
        bare_server(reply) as port,
        running(driver_for(profile(*three_paces()), port)) as (told, task),
    ):
        await until(lambda: told.good("rarely"), "all classes")
        works = False
        await until(task.done, "the session's end")


@pytest.mark.parametrize(
    ("point", "silence_s", "words"),
    [
        (SCAN.format("a", 0) + '; scan="slwo"', 2.0, "there is no scan class 'slwo'"),
        (SCAN.format("a", 0) + '; scan="slow"', 1.0, "must be longer than 1.5 s"),
        (SCAN.format("a", 0) + '; scan="slow"; stale_s=1.0', 2.0, "must be longer than its period"),
    ],
)
def test_what_makes_no_sense_is_told(point: str, silence_s: float, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        profile(point, silence_s=silence_s)


def opcua_profile() -> OpcUaProfile:
    words = {"en": "x", "zh": "x"}
    points = [
        {"name": "usual", "meaning": words, "path": "Usual"},
        {"name": "rarely", "meaning": words, "path": "Rarely", "scan": "slow"},
    ]
    head = {"id": "pump", "title": words, "kind": "machine", "protocol": "opcua"}
    scan = {"period_s": 1.0, "classes": {"slow": 30.0}}
    return OpcUaProfile.model_validate({**head, "scan": scan, "point": points})


async def test_an_opcua_server_is_asked_to_look_at_a_class_as_often_as_it_says() -> None:
    driver = OpcUaDriver("m1", opcua_profile(), OpcUaOptions(url="opc.tcp://127.0.0.1:1", root="M"))
    periods_s = driver._plan.periods_s
    assert periods_s == {"rarely": 30.0}
    subscription = Subscription(NOBODY, "m1", periods_s, Told(), Losses())
    subscription.interval_s = 1.0
    usual, rarely = (subscription._new_item(p, ua.NodeId()) for p in opcua_profile().point)
    intervals_ms = [
        subscription._request(item).RequestedParameters.SamplingInterval for item in (usual, rarely)
    ]
    assert intervals_ms[0] <= 1000.0
    assert intervals_ms[1] == 30_000.0
