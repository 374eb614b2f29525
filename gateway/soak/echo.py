"""A locator that answers a second core as that of the running core did.

What a filter makes of the same measurements is not the same after a restart. So that all the rest
can be compared, both cores get the same fixes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from gateway.mine.core import Mine
from positioning.locator import Locator
from positioning.observation import FIX, Records


class Overheard:
    """A locator that notes what it has answered last."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self.fixes = self.lagged = np.empty(0, FIX)
        self.conflicts = locator.take_conflicts()
        self.stats = locator.anchor_stats()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._locator, name)

    def locate(self, measured: Records) -> Records:
        """As the locator does."""
        fixes = self._locator.locate(measured)
        self.fixes = fixes.copy()
        return fixes

    def take_lagged(self) -> Records:
        """As the locator does."""
        lagged = self._locator.take_lagged()
        self.lagged = lagged.copy()
        return lagged

    def take_conflicts(self) -> Records:
        """As the locator does."""
        conflicts = self._locator.take_conflicts()
        self.conflicts = conflicts.copy()
        return conflicts

    def anchor_stats(self) -> Records:
        """As the locator does."""
        stats = self._locator.anchor_stats()
        self.stats = stats.copy()
        return stats


class Echo:
    """Answers what the locator of the running core has answered in the same step."""

    def __init__(self, mine: Mine) -> None:
        self._mine = mine
        overheard(mine)
        self._too_old = self._now.rejections.too_old

    @property
    def _now(self) -> Overheard:
        return cast("Overheard", self._mine._locator)

    @property
    def rejections(self) -> Any:
        """Those that a core asks for, before and after it has asked for fixes."""
        return SimpleNamespace(too_old=self._too_old)

    def locate(self, _: Records) -> Records:
        """The fixes of the step."""
        self._too_old = self._now.rejections.too_old
        return self._now.fixes.copy()

    def take_lagged(self) -> Records:
        """The lagged of the step."""
        return self._now.lagged.copy()

    def take_conflicts(self) -> Records:
        """The conflicts of the step."""
        return self._now.conflicts.copy()

    def anchor_stats(self) -> Records:
        """The stats of the step."""
        return self._now.stats.copy()

    def restore(self, fixes: Records) -> None:
        """Nothing: the places are those of the other core."""

    def restore_anchor_stats(self, stats: Records) -> None:
        """Nothing, as well."""

    def set_speed_max(self, card: int, speed_m_s: float) -> None:
        """Nothing, as well."""


def overheard(mine: Mine) -> None:
    """From now on what the locator of a core answers is noted."""
    if not isinstance(mine._locator, Overheard):
        mine._locator = cast("Locator", Overheard(mine._locator))


def echo(own: Mine, mine: Mine) -> None:
    """From now on the locator of a second core answers what that of the running one does."""
    own._locator = cast("Locator", Echo(mine))


def heard_by_anchors(mine: Mine) -> list[int]:
    """How often the core has heard each anchor of its map, as it counts it."""
    heard: list[int] = mine._locator.anchor_stats()["heard"].tolist()
    return heard


def left_out(mine: Mine) -> int:
    """How many ranges the locator of a core has left out because they came too late."""
    return mine._locator.rejections.too_old
