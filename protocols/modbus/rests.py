"""How long a unit that does not answer is left alone, so that its neighbours keep the line. Pure.

On a shared line nobody else can ask while an answer is waited for: a unit without power costs the
others its whole timeout each time. So it is asked again only once its rest is over, which is the
longer the more the tries cost. All silent units together get a tenth of the line's time, unless
that would keep one of them waiting for longer than `LONGEST_S`; each by itself never gets more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The share of a line's time that its silent units may take.
SHARE: Final = 0.1

#: The longest rest, unless one unit's own share asks for a longer one: with a timeout of up to 1 s
#: a unit that is back is heard within 15 s, also where several are silent.
LONGEST_S: Final = 10.0

#: So many failures in a row are forgiven: a frame that was lost once is asked for again at once.
FORGIVEN: Final = 1


@dataclass(slots=True)
class _Silent:
    failures: int = 0
    until_s: float = 0.0


class Rests:
    """Which units of a line are silent, and until when each is left alone."""

    def __init__(self) -> None:
        self._silent: dict[int, _Silent] = {}
        self._heard: set[int] = set()

    def answered(self, unit: int) -> None:
        """`unit` has answered: it is like any other again."""
        self._silent.pop(unit, None)
        self._heard.add(unit)

    def is_doubtful(self, unit: int) -> bool:
        """Whether `unit` did not answer the last time, or has never been asked."""
        return unit in self._silent or unit not in self._heard

    def failed(self, unit: int, cost_s: float, now_s: float) -> float:
        """`unit` did not answer, which took `cost_s` of the line's time. Returns its rest (s)."""
        silent = self._silent.setdefault(unit, _Silent())
        silent.failures += 1
        if silent.failures <= FORGIVEN:
            return 0.0
        own_s = cost_s * (1 / SHARE - 1)
        among = sum(1 for one in self._silent.values() if one.failures > FORGIVEN)
        rest_s = min(own_s * among, max(own_s, LONGEST_S))
        silent.until_s = now_s + rest_s
        return rest_s

    def left_s(self, unit: int, now_s: float) -> float:
        """How much of its rest `unit` still has; 0 where it may be asked."""
        silent = self._silent.get(unit)
        return max(0.0, silent.until_s - now_s) if silent else 0.0
