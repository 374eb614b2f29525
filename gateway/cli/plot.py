"""The distribution of errors as a picture: a curve for each output, PNG or SVG."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Final

from gateway.cli.fail import fail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from positioning.accuracy import Errors

#: What can be written, by the file's ending.
ENDINGS: Final = (".png", ".svg")

#: Families with Chinese characters, for names in them: the first one that is installed is used.
_CHINESE: Final = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "SimHei",
)

#: Okabe & Ito's colours, which people who see few colours tell apart.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")

#: A few errors of hundreds of metres must not press all others into a corner: the picture ends a
#: little beyond the percentile `_SHOWN` of the curve that is furthest out, unless little is beyond.
_SHOWN: Final = 99.5
#: Characters of a title that fit side by side.
_TITLE_WIDTH: Final = 75
_MARKED: Final = ((50.0, "CE50"), (90.0, "CE90"), (95.0, "CE95"))


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What a curve is called, what it shows, and whether it is dashed (a lagged output)."""

    label: str
    errors: Errors
    colour: int
    dashed: bool


def check_plot(file: Path) -> None:
    """Ends the command where `file` can't become a picture, before any work is done."""
    if file.suffix.lower() not in ENDINGS:
        fail(f"--plot: {file} must end in {' or '.join(ENDINGS)}")
    if find_spec("matplotlib") is None:
        fail("--plot needs matplotlib, which is not installed: pip install 'lamproom[plot]'")


def write_plot(file: Path, title: str, curves: Sequence[Curve]) -> None:
    """Writes the distribution functions of the curves' errors to `file`. Raises OSError."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.family": _families(), "svg.hashsalt": "lamproom"}):
        figure = Figure(figsize=(8.0, 5.2), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, curves)
        axes.set_title(fill(title, _TITLE_WIDTH), loc="left", fontsize=12, pad=12)
        with warnings.catch_warnings():
            # A name in a script that no installed family has is drawn as boxes, without a word.
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            metadata = {"Date": None} if file.suffix.lower() == ".svg" else None
            figure.savefig(file, metadata=metadata)


def _families() -> list[str]:
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *[name for name in _CHINESE if name in installed][:1]]


def _draw(axes: Axes, curves: Sequence[Curve]) -> None:
    import numpy as np

    from positioning.accuracy import accuracy, distribution

    reach_m = 0.0
    for curve in curves:
        error_m = curve.errors.error_m
        figures = accuracy(curve.errors)
        shown_m = float(np.percentile(error_m, _SHOWN))
        reach_m = max(reach_m, figures.max_m if figures.max_m < 1.5 * shown_m else shown_m)
        where_m, share = distribution(error_m)
        label = (
            f"{curve.label}\nRMSE {figures.rmse_m:.2f} m, CE95 {figures.p95_m:.2f} m, "
            f"greatest {figures.max_m:.2f} m"
        )
        axes.step(
            np.concatenate([[0.0], where_m]),
            np.concatenate([[0.0], share]) * 100.0,
            where="post",
            color=_COLOURS[curve.colour % len(_COLOURS)],
            linestyle=(0, (4, 2)) if curve.dashed else "-",
            linewidth=1.8,
            label=label,
        )
    axes.set_xlim(0.0, 1.05 * reach_m)
    axes.set_ylim(0.0, 100.5)
    axes.set_xlabel("Horizontal error, metres")
    axes.set_ylabel("Fixes with at most this error, %")
    axes.set_yticks(range(0, 101, 10))
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for percent, name in _MARKED:
        axes.axhline(percent, color="0.6", linewidth=0.8, linestyle=":")
        axes.annotate(
            name,
            (1.0, percent),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color="0.4",
        )
    axes.legend(loc="lower right", frameon=True, framealpha=0.95, edgecolor="0.85", fontsize=9)
