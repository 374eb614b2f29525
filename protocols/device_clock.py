"""Whether a device's clock can be believed, and what to do when it can't."""

from __future__ import annotations


class DeviceClock:
    """Compares a device's clock with the gateway's, batch by batch.

    Late records of a good clock keep their time. A clock that is off by more than the tolerance
    is moved to the gateway's by one constant shift, which changes only when the clock jumps: so
    the times between records stay those that the device measured.
    """

    def __init__(self, tolerance_ns: int) -> None:
        """`tolerance_ns`: how far a clock may be off and still be believed as it is."""
        self._tolerance_ns = tolerance_ns
        self._shift_ns = 0

    @property
    def last_shift_ns(self) -> int:
        """What was last found to be added to the device's times."""
        return self._shift_ns

    def shift_ns(self, device_t_ns: int, receive_t_ns: int) -> tuple[int, bool]:
        """What to add to the device's times, and whether that has just changed.

        Args:
            device_t_ns: what the device's clock showed when it was read.
            receive_t_ns: what the gateway's clock showed then.
        """
        ahead_ns = device_t_ns - receive_t_ns
        if abs(ahead_ns + self._shift_ns) <= self._tolerance_ns:
            return self._shift_ns, False
        believed = abs(ahead_ns) <= self._tolerance_ns
        self._shift_ns = 0 if believed else -ahead_ns
        return self._shift_ns, True
