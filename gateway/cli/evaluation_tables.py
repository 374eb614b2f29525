"""What `lamproom evaluate` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.cli.evaluation import Evaluated, compared
from gateway.cli.figures import Row, figures_of, number, print_rejected, print_table, say

_ERRORS: Final = ("rmse_m", "mean_m", "p50_m", "p90_m", "p95_m")
#: Figures of a run that stand side by side where two sets of settings are compared.
_SIDE_BY_SIDE: Final = ("rmse_m", "p95_m", "max_m")


def print_all(sets: Sequence[Evaluated]) -> None:
    """A table for each output of each set, and one for what the first set changes."""
    columns = {
        "scored": number("scored", "{:d}"),
        **{name: number(name, "{:.3f}") for name in _ERRORS},
        "max_m": number("max_m", "{:.2f}"),
        "available": number("availability", "{:.2%}"),
        "in 95 %": number("coverage_95", "{:.1%}"),
        "NEES (expected)": _nees,
        "> 50 m": number("far", "{:d}"),
    }
    for one in sets:
        for output in one.outputs:
            figures = figures_of(output.runs)
            print_table(figures, columns, f"{one.name}, {output.title}")
            _print_kinds(figures["all"])
            say("")
        print_rejected(figures_of(one.outputs[0].runs))
    for new, old, pairs in compared(sets):
        title = f"{sets[0].name} against {sets[1].name}, {new.title}"
        _print_comparison(title, figures_of(new.runs), figures_of(old.runs), pairs)


def _nees(row: Row) -> str:
    if row.get("mean_nees") is None or row.get("nees_low") is None:
        return "-"
    return f"{row['mean_nees']:.2f} ({row['nees_low']:.1f}–{row['nees_high']:.1f})"


def _print_kinds(overall: Row) -> None:
    """Lines below a table: the classes of fixes, and errors along roadways where they are known."""
    classes = overall.get("classes") or {}
    kinds = [f"{k} {v['share']:.1%} (p95 {v['p95_m']:.2f} m)" for k, v in classes.items()]
    if kinds:
        say(f"classes: {', '.join(kinds)}")
    roadway = overall.get("roadway")
    if roadway:
        along = f"along p50 {roadway['along_p50_m']:.3f} m, p95 {roadway['along_p95_m']:.3f} m"
        across = number("across_p95_m", "{:.3f} m")(roadway)
        wrong = f"in a wrong one {roadway['wrong_roadway']:.2%}"
        say(f"in roadways: {along}; across p95 {across}; {wrong}")


def _print_comparison(title: str, new: Row, old: Row, pairs: Row) -> None:
    """Both sets side by side: each run's figures, what they were, and the paired ones."""
    olds, paired = (
        {row["run"]: row for row in side["runs"]} | {"all": side["all"]} for side in (old, pairs)
    )
    rows = []
    for row in [*new["runs"], {**new["all"], "run": "all"}]:
        was = {f"was {name}": olds[row["run"]].get(name) for name in _SIDE_BY_SIDE}
        rows.append(row | was | {"pairs": None} | paired.get(row["run"], {}))
    columns = {}
    for name in _SIDE_BY_SIDE:
        columns[name] = number(name, "{:.3f}")
        columns[f"was {name}"] = number(f"was {name}", "{:.3f}")
    columns |= {name: number(name, "{:.1%}") for name in ("better", "worse")}
    print_table({"runs": rows[:-1], "all": rows[-1]}, columns | {"mean change": _change}, title)
    say("")


def _change(row: Row) -> str:
    if row.get("difference_m") is None or row.get("margin_m") is None:
        return "-"
    return f"{row['difference_m']:+.3f} ± {row['margin_m']:.3f} m"
