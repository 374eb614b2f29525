"""What the OPC UA tests share: a server of another make, and a driver for its shearer."""

from pathlib import Path
from typing import Any

import pytest

from equipment.profile import Profile
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions
from tests.support.places import PEERS, SHARED, missing_node
from tests.support.processes import Process

NODESETS = SHARED / "nodesets"
SITE = "urn:lamproom:test:mine"


class NodeServer(Process):
    """node-opcua with the official nodesets and one shearer, in a process of its own."""

    script = "opcua_server.js"

    def __init__(self, pki: Path, **options: object) -> None:
        if why := missing_node("node-opcua"):
            pytest.skip(why)
        if not NODESETS.is_dir():
            pytest.skip("the official nodesets are not there (../shared/nodesets)")
        pki.mkdir(parents=True, exist_ok=True)
        words = {"nodesets": NODESETS, "pki": pki} | options
        command = ["node", self.script, *(f"{key}={value}" for key, value in words.items())]
        super().__init__(command, pki, Path(self.script).stem, cwd=PEERS)

    @property
    def requests(self) -> set[str]:
        """The kinds of requests that the server has got."""
        return {line.split()[1] for line in self.out.splitlines() if line.startswith("REQUEST ")}

    @property
    def ready(self) -> bool:
        return self.count("READY ") > 0

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return int(self.word_after("READY"))


def shearer(profile: Profile, port: int, **options: Any) -> OpcUaDriver:
    """A driver for the peer's shearer."""
    words: dict[str, Any] = {
        "url": f"opc.tcp://127.0.0.1:{port}",
        "root": "di:DeviceSet/app:Shearer1",
        "namespaces": {"app": SITE},
        "publish_ms": 200,
    }
    return OpcUaDriver("shearer1", profile, OpcUaOptions.model_validate(words | options))
