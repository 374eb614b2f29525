"""What is kept of a fix, and how it is coded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.tracks.columns import Columns, ColumnsError, encode
from gateway.journal.tracks.ellipse import codes_of, covariances_of
from gateway.journal.tracks.rows import KEPT, NO_CHAINAGE_CM, kept_of, newest_of_each
from positioning.observation import FixClass, Records, new_fixes

NOW_NS = 1_800_000_000_000_000_000

sigmas = st.floats(1e-4, 1e5)
ellipses = st.tuples(sigmas, sigmas, st.floats(0, np.pi))


@given(st.lists(ellipses, min_size=1, max_size=20))
def test_a_kept_ellipse_is_never_smaller_and_not_much_larger(
    shapes: list[tuple[float, float, float]],
) -> None:
    a, b, angle = np.array(shapes).T
    c, s = np.cos(angle), np.sin(angle)
    was = [(a * c) ** 2 + (b * s) ** 2, (a**2 - b**2) * c * s, (a * s) ** 2 + (b * c) ** 2]
    told = [column.astype(np.float32) for column in covariances_of(*codes_of(*was))]
    more_x, more_xy, more_y = (t.astype(float) - w for t, w in zip(told, was, strict=True))
    scale = told[0].astype(float) + told[2]
    assert (more_x >= 0).all()
    assert (more_y >= 0).all()
    assert (more_x * more_y - more_xy**2 >= -1e-6 * scale**2).all()
    longest = np.maximum(np.maximum(a, b), 0.01)
    assert (np.sqrt(scale) <= 2.1 * longest).all()


def test_nothing_is_known_worse_than_a_fix_that_can_not_be_told() -> None:
    fixes = new_fixes(4)
    fixes["t_ns"] = NOW_NS
    fixes["x_m"][1], fixes["var_x_m2"][2], fixes["t_ns"][3] = np.nan, np.inf, -1
    assert len(kept_of(fixes, NOW_NS)) == 1


def test_a_kept_fix_is_that_of_the_stream_to_a_centimetre_and_a_millisecond() -> None:
    fixes = new_fixes(1)
    fixes["card"], fixes["t_ns"], fixes["roadway"] = 7, NOW_NS + 1_999_999, 3
    fixes["x_m"], fixes["y_m"], fixes["z_m"] = 1.234, -5.678, -400.009
    fixes["chainage_m"], fixes["age_s"], fixes["fix_class"] = 12.344, 0.41, FixClass.ZONE
    (row,) = kept_of(fixes, NOW_NS)
    assert (row["card"], row["t_ms"], row["roadway"]) == (7, NOW_NS // 1_000_000 + 1, 4)
    assert (row["x_cm"], row["y_cm"], row["z_cm"]) == (123, -568, -40001)
    assert (row["chainage_cm"], row["age_ds"], row["fix_class"]) == (1234, 5, FixClass.ZONE)
    fixes["chainage_m"], fixes["roadway"] = np.nan, -1
    (row,) = kept_of(fixes, NOW_NS)
    assert (row["chainage_cm"], row["roadway"]) == (NO_CHAINAGE_CM, 0)


@st.composite
def row_sets(draw: st.DrawFn) -> Records:
    """Rows of any numbers, small and large ones."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    rows = np.zeros(draw(st.integers(0, 30)), KEPT)
    for name in KEPT.names or ():
        info = np.iinfo(KEPT[name])
        ends = {"t_ms": (0, 1 << 42), "fix_class": (1, 6), "card": (0, 4)}
        low, high = ends.get(name, (int(info.min), int(info.max)))
        if draw(st.booleans()):
            low, high = max(low, -3), min(high, 3)
        rows[name] = rng.integers(low, high, len(rows), endpoint=True)
    rows["chainage_cm"][::3] = NO_CHAINAGE_CM
    return rows[np.lexsort((rows["t_ms"], rows["card"]))]


@given(row_sets(), st.integers(0, 1 << 42))
def test_any_rows_come_back_from_columns(rows: Records, base_ms: int) -> None:
    columns = Columns(encode(rows, base_ms), base_ms)
    assert (columns.rows() == rows).all()
    for card in range(5):
        assert (columns.rows_of(card) == rows[rows["card"] == card]).all()
    for t_ms in (0, base_ms, 1 << 43):
        assert (columns.last_until(t_ms) == newest_of_each(rows[rows["t_ms"] <= t_ms])).all()


@given(st.binary(max_size=200))
def test_bytes_that_are_no_columns_are_refused(data: bytes) -> None:
    with pytest.raises(ColumnsError):
        Columns(data, 0)


@given(row_sets().filter(len), st.data())
def test_columns_that_were_changed_are_refused_or_decoded_without_harm(
    rows: Records, data: st.DataObject
) -> None:
    """A checksum stands before them: they must only never break what reads them."""
    packed = bytearray(encode(rows, 0))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        columns = Columns(bytes(packed), 0)
    except ColumnsError:
        return
    assert len(columns.rows()) == columns.count
