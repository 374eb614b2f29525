"""The bugs that the benchmark plants are those that it says, and one that it plants is found."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.left_out import is_excluded
from bench.mutants import Bug, chosen, missed_before
from bench.mutation import edits, mutated, reached_edits
from tests.support.places import ENVIRONMENT, ROOT

SOURCES = sorted((ROOT / "gateway/mine").glob("*.py"))


def made(source: str) -> set[tuple[str, str]]:
    """The kind and the changed line of each edit, each made in a tree of its own."""
    lines = ast.unparse(ast.parse(source)).splitlines()
    found = set()
    for number, edit in enumerate(edits(ast.parse(source))):
        after = ast.unparse(mutated(source, number)).splitlines()
        (changed,) = [new for old, new in zip(lines, after, strict=True) if new != old]
        found.add((edit.kind, changed.strip()))
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return a < b", {("comparison", "return a > b"), ("border", "return a <= b")}),
        ("return a_ns < b", {("comparison", "return a_ns > b")}),
        ("return a['b_ns'] < c", {("comparison", "return a['b_ns'] > c")}),
        ("return a in b", {("comparison", "return a not in b")}),
        ("return a + b", {("sign", "return a - b")}),
        ("return f'{1 + a}'", set()),
        ("return a + (b,)", set()),
        ("return 3", {("constant", "return 4")}),
        ("return 50", {("constant", "return 100")}),
        ("return 0.5", {("constant", "return 1.0")}),
        ("return True", {("constant", "return False")}),
        ("return a and b", {("and/or", "return a or b")}),
        ("return a if b else c", {("condition", "return a if not b else c")}),
        ("return [c for c in a if c]", {("condition", "return [c for c in a if not c]")}),
        ("a += b", {("dropped", "pass"), ("sign", "a -= b")}),
        ("a.append(b)", {("dropped", "pass")}),
        ("a.b = c", {("dropped", "pass")}),
        ("d = b", set()),
        ("a = b", {("dropped", "pass")}),
        ("text = 'x' if a else 'y'", set()),
        ("raise ValueError(1)", set()),
    ],
)
def test_each_edit_makes_the_change_that_it_says(line: str, expected: set[tuple[str, str]]) -> None:
    assert made(f"def f(a, b, c):\n    '''Docs.'''\n    {line}\n") == expected


def test_conditions_are_negated_but_not_those_that_save_work() -> None:
    source = "def f(rows):\n    if {}:\n        return 'x'\n    return 'y'\n"
    assert made(source.format("rows")) == {("condition", "if not rows:")}
    assert made(source.format("not len(rows)")) == set()


def test_names_that_only_serve_to_word_something_are_left_out() -> None:
    source = """
def f(a, b):
    spent = a - b
    whole, rest = a + 1, b + 2
    part = spent // 60
    text = f'{part} min {whole}'
    tell(text=part)
    return text, rest
"""
    assert made(source) == {
        ("sign", "whole, rest = (a - 1, b + 2)"),
        ("sign", "whole, rest = (a + 1, b - 2)"),
        ("constant", "whole, rest = (a + 2, b + 2)"),
        ("constant", "whole, rest = (a + 1, b + 3)"),
        ("dropped", "pass"),
    }


def test_every_edit_of_the_core_compiles_and_is_another_program() -> None:
    kinds = set()
    for path in SOURCES:
        source = path.read_text()
        before = ast.unparse(ast.parse(source))
        every = edits(ast.parse(source))
        kinds |= {edit.kind for edit in every}
        assert ast.unparse(ast.parse(source)) == before  # to look for edits changes nothing
        for number in range(0, len(every), 25):
            tree = mutated(source, number)
            compile(tree, str(path), "exec")
            assert ast.unparse(tree) != before
    assert kinds == {"comparison", "border", "sign", "constant", "dropped", "condition", "and/or"}


def test_bugs_are_spread_over_modules_where_the_soaks_come() -> None:
    source = "LIMIT = 5\nREST = 6\n\n\ndef f(a):\n    b = a + 1\n    return b - 2\n"
    numbers, every = reached_edits("some", source, {6}, {"a", "LIMIT"})
    assert [every[number].line for number in numbers] == [1, 6, 6]
    bugs = [Bug("one", number, every[number]) for number in numbers]
    few = [Bug("two", 0, every[0])]
    picked = chosen({"one": bugs, "two": few}, 3, seed=1)
    assert {bug.module for bug in picked} == {"one", "two"}
    assert picked == chosen({"one": bugs, "two": few}, 3, seed=1)
    assert not is_excluded("some", every[0])
    assert is_excluded("alarms.families", every[0])


def test_bugs_that_a_run_has_missed_are_known_again_where_lines_have_moved() -> None:
    every = edits(ast.parse("def f(a):\n    return a + 1\n"))
    moved = [Bug("some", number, edit) for number, edit in enumerate(every)]
    shown = "\n".join(
        f"{n} NOT FOUND  {bug.text().replace(':2 ', ':7 ')}" for n, bug in enumerate(moved)
    )
    assert missed_before(shown, {"some": moved}) == moved
    assert missed_before(shown.replace("NOT FOUND", "risk"), {"some": moved}) == []


def test_planted_bugs_are_found_in_processes_of_their_own() -> None:
    script = [sys.executable, str(Path("bench/mutants.py"))]
    command = [*script, "2", "--module", "people.card_flags", "--soaks", "1"]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout.splitlines()[-1])
    assert summary["planted"] == 2
    assert summary["caught"] >= 1
    assert 0 < summary["reached"] <= 1
