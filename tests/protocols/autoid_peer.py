"""What the tests of events share: a server of another make that raises them, and drivers for it."""

import json
from typing import Any

import numpy as np

from equipment import catalogue
from equipment.opcua_profile import OpcUaProfile
from equipment.profile import Profile
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions
from tests.protocols.opcua_peer import SITE, NodeServer
from tests.support.sink import Told
from tests.support.waiting import until

#: 2026-01-01 00:00:00 UTC, in milliseconds.
T_MS = 1_767_225_600_000


class AutoIdServer(NodeServer):
    """node-opcua with the official AutoID nodeset, a reader and an engine, by itself."""

    script = "opcua_autoid.js"

    def raise_event(self, device: str, *results: dict[str, Any]) -> None:
        """Raises one event with so many results."""
        self.tell(json.dumps({"raise": device, "results": results}))


def seen(card: str, t_ms: int = T_MS, *, antenna: int = 1, strength: int = -60) -> dict[str, Any]:
    """The result of a tag that one antenna has seen."""
    sighting = {"antenna": antenna, "strength": strength, "timestamp": t_ms, "currentPowerLevel": 1}
    return {
        "codeType": "RAW:STRING",
        "scanData": {"string": card},
        "timestamp": t_ms,
        "sighting": [sighting],
    }


def found(card: str, x_m: float, y_m: float, t_ms: int = T_MS) -> dict[str, Any]:
    """The result of a tag that an engine has found; the place's own time is a second earlier."""
    local = {
        "x": x_m,
        "y": y_m,
        "z": -400.0,
        "timestamp": t_ms - 1000,
        "dilutionOfPrecision": 2.0,
        "usefulPrecision": 2,
    }
    return {
        "codeType": "RAW:STRING",
        "scanData": {"string": card},
        "timestamp": t_ms,
        "location": {"local": local},
        "speed": 1.0,
        "heading": 0.0,
        "rotation": {"yaw": 0.0, "pitch": 0.0, "roll": 0.0},
        "receiveTime": t_ms,
    }


def profile_with(name: str, *columns: dict[str, Any]) -> OpcUaProfile:
    """A profile of the catalogue with more columns of its events' results."""
    words = catalogue.load(name).model_dump()
    words["event"]["field"] += tuple({"path": "aid:ScanResult"} | one for one in columns)
    return OpcUaProfile.model_validate(words)


def driver_for(profile: Profile, port: int, device: str, **options: Any) -> OpcUaDriver:
    """A driver for one of the peer's devices."""
    words: dict[str, Any] = {
        "url": f"opc.tcp://127.0.0.1:{port}",
        "root": f"di:DeviceSet/site:{device}",
        "namespaces": {"site": SITE, "di": "http://opcfoundation.org/UA/DI/"},
        "publish_ms": 100,
    }
    return OpcUaDriver(device.lower(), profile, OpcUaOptions.model_validate(words | options))


async def subscribed(told: Told, before: int = 0) -> None:
    """Waits until events are taken: a session looks at the clock before, and goes on after."""
    await until(lambda: len(told.answers) >= before + 2, "the events are subscribed")


def column(told: Told, name: str) -> list[Any]:
    """A column of all records, as they came."""
    parts = [batch.columns[name] for batch in told.batches]
    return np.concatenate(parts).tolist() if parts else []
