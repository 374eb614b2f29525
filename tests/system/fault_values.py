"""Numbers that say who they are and of when: one that is false or misplaced gives itself away.

    device * 10,000,000 + which point * 100,000 + tenths of seconds since the Unix epoch, modulo
    100,000

The device in C (`tests/peers/modbus_device.c`) and the one in JavaScript (`opcua_plant.js`) make
them too.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamproom.v1 import equipment_pb2

_DEVICE = 10_000_000
_POINT = 100_000
_TENTHS = 100_000

#: What an answer must not bring: bytes of this make numbers that no device has.
POISON = 0xEE

#: A value that is older than this when it comes is not what the device holds now. Far more than
#: any timeout here, and far less than the faults last for which a device is silent: machines are
#: busy.
OLD_S = 20.0


def number_of(device: int, point: int, t_s: float) -> int:
    """What `point` of `device` holds at `t_s` (Unix time)."""
    return device * _DEVICE + point * _POINT + int(t_s * 10) % _TENTHS


def made_s(number: float, near_s: float) -> float:
    """When a number was made, to a tenth of a second: the time nearest to `near_s`."""
    ago = (int(near_s * 10) - int(number) % _TENTHS + _TENTHS // 2) % _TENTHS - _TENTHS // 2
    return (int(near_s * 10) - ago) / 10


class Truth:
    """Judges each good value that a client is told against what its device can have held."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        """`numbers`: of each device by its id."""
        self._numbers = numbers
        #: When the newest value of each device and point was made.
        self.made_s: dict[tuple[str, str], float] = {}
        self.wrong: list[str] = []
        self.judged = 0

    def judge(self, device: str, value: equipment_pb2.PointValue) -> None:
        """Takes a value; one that is good must be true, and no older than the last one."""
        if value.quality != equipment_pb2.QUALITY_GOOD or device not in self._numbers:
            return
        self.judged += 1
        received_s = value.receive_time.ToNanoseconds() * 1e-9
        made = made_s(value.number, received_s)
        point = int(value.point.removeprefix("v"))
        fault = ""
        if int(value.number) // _POINT != self._numbers[device] * 100 + point:
            fault = "is no number of this point"
        elif not self._is_of_now(value, made, received_s):
            fault = f"is {received_s - made:.1f} s old"
        elif made < self.made_s.get((device, value.point), 0.0) - 0.15:
            fault = f"is {self.made_s[device, value.point] - made:.1f} s older than the one before"
        if fault:
            self.wrong.append(f"{device} {value.point} = {value.number:.0f} {fault}")
        else:
            self.made_s[device, value.point] = made

    def _is_of_now(self, value: equipment_pb2.PointValue, made: float, received_s: float) -> bool:
        said = value.source_time.ToNanoseconds() * 1e-9 if value.HasField("source_time") else 0.0
        # Either of now, or true of the time of which it says that it is.
        return abs(said - made) < 1.0 or -0.15 <= received_s - made <= OLD_S
