"""Which fixes are the last of their rounds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.observation import new_fixes
from positioning.rounds import ROUND_NS, ends_of_rounds

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5 * ROUND_NS)), max_size=30)


@settings(deadline=None)  # the first call compiles
@given(ROWS)
def test_a_fix_ends_its_round_when_none_of_its_card_follows_soon(
    rows: list[tuple[int, int]],
) -> None:
    fixes = new_fixes(len(rows))
    fixes["card"] = [card for card, _ in rows]
    fixes["t_ns"] = [t_ns for _, t_ns in rows]
    kept = []
    for row, (card, t_ns) in enumerate(rows):
        later = [other_ns for other, other_ns in rows[row + 1 :] if other == card]
        if not later or abs(later[0] - t_ns) >= ROUND_NS:
            kept.append((card, t_ns))
    found = ends_of_rounds(fixes)
    assert list(zip(found["card"].tolist(), found["t_ns"].tolist(), strict=True)) == kept
    assert set(np.unique(found["card"])) == {card for card, _ in rows}
