"""What of a module is no place for a bug, because it words something or is no matter.

`bench.mutation` has the list.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final, Protocol

_TIMES: Final = re.compile(r"_ns(\[.*\])?$")
#: A name with this ending, or one of these, holds words for people.
_WORDS: Final = ("text", "found", "expected", "note", "why", "where", "sentence")

#: What is left out besides, by module and function or name (of all modules: empty), and why.
EXCLUDED: Final[dict[tuple[str, str], str]] = {
    ("alarms.words", ""): "words alone",
    ("alarms.families", ""): "words alone",
    ("core_words", "started_text"): "words alone",
    ("core_words", "grown"): "how much room there is",
    ("plan", ""): "defaults, and what is copied from the configuration",
    ("machines.plan", ""): "defaults",
    ("prevention.plan", ""): "defaults",
    ("change", "Alarm.number"): "for clients that sort: the core never asks for it",
    ("acts", "ANSWERS_MOST"): "a bound of memory",
    ("people.conflicts", "PAIRS_MOST"): "a bound of memory",
    ("machines.poses", "Poses.age_s"): "words alone",
    ("people.card_kept", "PARTS"): "how the work of keeping is spread over seconds",
    ("devices.anchors", "SAVE_PARTS"): "how the work of keeping is spread over seconds",
    ("people.twins", "PAIRS_MOST"): "a bound of memory",
    ("core", "Mine._smoothed"): "the soak's mine has no lag: nothing is smoothed",
}
#: Functions that make room, or say how much there is: how much is no matter.
_ROOM: Final = ("reserve", "_reserve", "_width")
#: Of what is left out as this, each use is as well: how much still goes in, for one.
_BOUND: Final = "a bound of memory"


def is_time(name: str) -> bool:
    """Whether something of this name is a time, or some, in nanoseconds."""
    return bool(_TIMES.search(name))


def is_text(node: ast.expr) -> bool:
    """Whether an expression is a text."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def is_words(name: str) -> bool:
    """Whether what has this name words something."""
    return name.rpartition(".")[2].rstrip("s") in _WORDS


def worded(function: ast.FunctionDef) -> set[str]:
    """The names of a function that only serve to word something, directly or by one another."""
    found: set[str] = set()
    while True:
        said = {part for text in _texts(function, found) for part in ast.walk(text)}
        loads = [
            node
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        ]
        more = {node.id for node in loads} - {node.id for node in loads if node not in said}
        if more == found:
            return found
        found = more


def _texts(function: ast.FunctionDef, names: set[str]) -> Iterator[ast.expr]:
    """The expressions in it that word something; what is assigned to `names` does, too."""
    for node in ast.walk(function):
        match node:
            case ast.JoinedStr(values=parts) if any(map(_is_sentence, parts)):
                yield node
            case ast.keyword(arg="text", value=value):
                yield value
            case ast.Assign(value=value) if target_of(node) in {"text", *names}:
                yield value


def _is_sentence(part: ast.expr) -> bool:
    """Whether a part of a text has more than one word; what has one may be a key."""
    return isinstance(part, ast.Constant) and " " in str(part.value)


def target_of(node: ast.Assign | ast.AnnAssign) -> str:
    """What is assigned to."""
    return ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])


def sides_of(node: ast.Compare) -> list[ast.expr]:
    """What a comparison compares."""
    return [node.left, *node.comparators]


def zeros(node: ast.expr) -> set[ast.Constant]:
    """Zeros that stand for no time: alone, for what is missing, or instead of one."""
    match node:
        case ast.Constant(value=0):
            return {node}
        case ast.IfExp(body=body, orelse=other):
            return zeros(body) | zeros(other)
        case ast.Call(func=ast.Attribute(attr="get"), args=[_, default]):
            return zeros(default)
        case ast.ListComp(elt=element):
            return zeros(element)
    return set()


def only_words(node: ast.stmt) -> bool:
    """Whether a statement only words something, and so do those in it."""
    match node:
        case ast.If(body=body, orelse=other):
            return all(only_words(one) for one in (*body, *other))
        case ast.Assign() | ast.AnnAssign():
            return is_words(target_of(node))
        case ast.AugAssign(target=ast.Name(id=name)):
            return is_words(name)
    return False


def saves_work(node: ast.If | ast.While) -> bool:
    """Whether it only leaves a function early where there are no rows at all."""
    test = ast.unparse(node.test)
    leaves = len(node.body) == 1 and isinstance(node.body[0], ast.Return)
    return leaves and not node.orelse and bool(re.fullmatch(r"not (len\(\w+\)|\w+\.any\(\))", test))


def of_no_matter(node: ast.expr) -> set[ast.Constant]:
    """Numbers right in an expression that may as well be the next one.

    A nanosecond more is the same time, and -1 is no number of anything; but the last of a row is
    not the last but one.
    """
    if isinstance(node, ast.Compare) and any(is_time(ast.unparse(one)) for one in sides_of(node)):
        return {zero for side in sides_of(node) for zero in zeros(side)}
    if isinstance(node, ast.Subscript | ast.Slice | ast.BinOp):
        return set()
    return {
        part.operand
        for part in ast.iter_child_nodes(node)
        if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub)
        if isinstance(part.operand, ast.Constant) and part.operand.value == 1
    }


class _Edit(Protocol):
    """What is asked of an edit."""

    @property
    def kind(self) -> str: ...
    @property
    def function(self) -> str: ...
    @property
    def before(self) -> str: ...


def is_excluded(module: str, edit: _Edit) -> bool:
    """Whether an edit is of what is left out."""
    room = edit.kind == "constant" and edit.function.rpartition(".")[2] in _ROOM
    bounds = {name for (one, name), why in EXCLUDED.items() if one == module and why == _BOUND}
    room = room or not bounds.isdisjoint(re.findall(r"\w+", edit.before))
    return room or any((module, name) in EXCLUDED for name in ("", edit.function))
