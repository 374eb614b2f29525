"""Whether records come as they are made: only then do they tell what a device's clock shows. Pure.

What a device that was cut off, or a broker, had kept comes faster than it was made; and one wrong
time, where there is no checksum, must not move all others.
"""

from __future__ import annotations

from typing import Final

#: For how long times must go as fast as ours until records are taken to come as they are made.
SETTLED_NS: Final = 2_000_000_000

#: By how much they may hurry, or go back, meanwhile: what a network delays.
HURRY_NS: Final = 500_000_000


class Pace:
    """Follows the newest time of each batch of records."""

    def __init__(self) -> None:
        self._since: tuple[int, int] | None = None
        self._last = (0, 0)

    def settled(self, device_t_ns: int, receive_t_ns: int) -> bool:
        """Whether a batch with this newest time, received then, comes as it was made."""
        since, last = self._since, self._last
        self._last = device_t_ns, receive_t_ns
        if since is not None:
            hurry_ns = (device_t_ns - since[0]) - (receive_t_ns - since[1])
            steady = hurry_ns <= HURRY_NS and device_t_ns >= last[0] - HURRY_NS
            if steady and receive_t_ns >= last[1]:
                return receive_t_ns - since[1] >= SETTLED_NS
        self._since = device_t_ns, receive_t_ns
        return False
