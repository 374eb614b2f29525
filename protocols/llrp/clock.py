"""What a reader's clock shows, by the times of its events and of what it sees. Pure."""

from __future__ import annotations

from protocols.pace import Pace


class ReaderClock:
    """The clock in one session.

    Events, of which the first is the greeting, are told as they happen: they show the clock, and
    what is handed in late can be told from what a wrong clock gives. Once what is seen comes as it
    is seen its own times do, for a clock may be set meanwhile.
    """

    def __init__(self) -> None:
        self._pace = Pace()
        self._ahead_ns: int | None = None

    def note(self, device_t_ns: int, receive_t_ns: int) -> None:
        """Takes the time of an event."""
        self._ahead_ns = device_t_ns - receive_t_ns

    def shows_ns(self, newest_ns: int | None, receive_t_ns: int) -> int | None:
        """What the clock shows when a report with this newest time comes; None: not known."""
        if newest_ns is not None and self._pace.settled(newest_ns, receive_t_ns):
            self._ahead_ns = newest_ns - receive_t_ns
            return newest_ns
        if self._ahead_ns is None:
            return None
        # It was set meanwhile if it showed more when the tag was seen.
        return max(receive_t_ns + self._ahead_ns, newest_ns or 0)
