"""Hands the fixes of steps to the keeper of positions, and tells of it when it fails."""

from __future__ import annotations

from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.inbox import Inbox
from gateway.journal.tracks.keeper import Keeper, KeeperSettings
from gateway.mine.change import Changes
from gateway.serve.admin import TracksState
from positioning.observation import IdTable

_MS_NS = 1_000_000


class TrackKeeping:
    """The way to the keeper of positions. On the event loop."""

    def __init__(self, bundle: Bundle, cards: IdTable, inbox: Inbox, now_ns: Clock) -> None:
        self.keeper = Keeper(bundle.journal_folder, _keeping(bundle), cards, now_ns)
        self._roadways = _roadways(bundle)
        self._inbox = inbox
        self._told = ""

    def keep(self, changes: Changes) -> None:
        """Has the fixes of a step kept soon; never waits."""
        self.keeper.offer(changes.fixes, self._roadways, changes.now_ns)
        failure = self.keeper.status.failure
        if failure != self._told:
            self._told = failure
            self._inbox.put_journal(
                "positions", f"positions are not kept: {failure}" * bool(failure)
            )

    def use(self, bundle: Bundle) -> None:
        """Takes over a configuration that the core has taken over, before its changes."""
        self._roadways = _roadways(bundle)
        self.keeper.use(_keeping(bundle))

    def state(self) -> TracksState:
        """How the keeper does, as clients are told."""
        now = self.keeper.status
        return TracksState(
            oldest_t_ns=None if now.oldest_ms is None else now.oldest_ms * _MS_NS,
            newest_t_ns=None if now.newest_ms is None else now.newest_ms * _MS_NS,
            used_bytes=now.bytes,
            failure=now.failure,
            failure_t_ns=now.failure_ms * _MS_NS if now.failure else None,
            dropped=now.dropped,
        )


def _keeping(bundle: Bundle) -> KeeperSettings:
    told = bundle.settings.journal
    return KeeperSettings.of(told.tracks_days, told.tracks_gb, told.reserve_mb)


def _roadways(bundle: Bundle) -> tuple[str, ...]:
    return tuple(roadway.id for roadway in bundle.map.roadways)
