"""Zones and fixes of cards that walk through them, for tests."""

import numpy as np

from positioning.membership import Crossing
from positioning.mine_map import Zone, ZoneKind
from positioning.observation import FixClass, Records, new_fixes
from tests.positioning.shapes import square_m

S = 1_000_000_000


def zone(
    name: str, *rings_m: list[tuple[float, float]], band_m: tuple[float, float] | None = None
) -> Zone:
    closed = tuple(np.array([*ring, ring[0]], np.float64) for ring in rings_m)
    return Zone(name, name, ZoneKind.KEY, closed, band_m)


def square(name: str, x: float, y: float, side: float) -> Zone:
    return Zone(name, name, ZoneKind.KEY, (square_m(x, y, side),))


def fixes_at(
    *places: tuple[int, float, float], sigma_m: float = 0.3, every_s: float = 1
) -> Records:
    """Fixes of cards, one after the other."""
    fixes = new_fixes(len(places))
    for fix, (card, x, y) in zip(fixes, places, strict=True):
        fix["card"], fix["x_m"], fix["y_m"] = card, x, y
    fixes["t_ns"] = np.arange(len(places)) * round(every_s * S)
    fixes["var_x_m2"] = fixes["var_y_m2"] = sigma_m**2
    fixes["fix_class"] = FixClass.PRECISE
    return fixes


def told(crossings: list[Crossing]) -> list[tuple[int, int, bool]]:
    """Row, zone and which way."""
    return [(row, zone, entered) for row, _, zone, entered in crossings]
