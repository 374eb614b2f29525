"""What tests of whole gateways share."""

from collections.abc import Callable
from typing import Any

import pytest

import protocols.supervise
from protocols.driver import Sink
from tests.gateway.app_rig import FakeDriver, quiet


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Sink], Any]]:
    """What the drivers of `app_rig` do, by device; a session that failed is followed by the next
    at once.
    """
    found: dict[str, Callable[[Sink], Any]] = {"shearer-1": quiet, "shearer-2": quiet}
    monkeypatch.setattr(FakeDriver, "scripts", found)
    monkeypatch.setattr(protocols.supervise, "PAUSE_FIRST_S", 0.01)
    return found
