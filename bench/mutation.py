"""Small changes of a module's syntax tree, each of them a bug that someone could have written.

What is left out, because the module would do the same, or because it only words something:

- texts: f-strings, choices between two texts, what is given as `text`, what is raised, docstrings
- annotations, `__all__`, `__slots__`, what is only there for the type checker
- defaults of dataclasses: a gateway takes each value from its configuration, which has its own
- `<` for `<=` between measured values (names that end in a unit): two of them are never equal but
  for the step that something falls into; the comparison is turned round instead
- none for a time: 0 or 1 ns is the same; `-1` for none, where any negative number is the same
- conditions of statements that only word something, and names that are used for words alone
- guards that only save work: `if not len(rows): return`, where nothing is done with no rows anyway
- `EXCLUDED`: words alone, room for more rows, limits that no small mine reaches, rhythms of work
- names that are assigned but once in a function: without them every run ends with a NameError
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from bench.left_out import (
    is_excluded,
    is_text,
    is_time,
    is_words,
    of_no_matter,
    only_words,
    saves_work,
    sides_of,
    target_of,
    worded,
    zeros,
)

#: Names of values that are measured: of two of them equality says nothing.
_MEASURED: Final = re.compile(r"_(ns|s|m|m2|m_s|min|h)('\])?(\[.*\])?$", re.IGNORECASE)

_TURNED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_BORDER: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_SIGN: Final[dict[type[ast.operator], type[ast.operator]]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}
#: From here on a constant is doubled; a smaller one becomes one more.
_DOUBLED_FROM: Final = 10

#: What an edit is called, and what it does to the tree.
KINDS: Final = ("comparison", "border", "sign", "constant", "dropped", "condition", "and/or")


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: where, what it was, what it becomes; `apply` makes it in its own tree."""

    kind: str
    line: int
    function: str
    before: str
    after: str
    apply: Callable[[], None]


def edits(tree: ast.Module) -> list[Edit]:
    """All changes of a module, in an order that is the same for the same source."""
    return list(_Finder().body(tree))


def mutated(source: str, number: int) -> ast.Module:
    """The tree of `source` with one of its edits."""
    tree = ast.parse(source)
    edits(tree)[number].apply()
    return ast.fix_missing_locations(tree)


class _Finder:
    """Walks through a tree, and knows in which function it is."""

    def __init__(self) -> None:
        self._function = ""
        self._bound: Counter[str] = Counter()
        #: Names that only serve to word something.
        self._worded: set[str] = set()
        #: Numbers that may as well be another.
        self._no_matter: set[ast.Constant] = set()

    def body(self, node: ast.Module | ast.ClassDef) -> Iterator[Edit]:
        """Edits in a module or in a class."""
        is_data = any(
            "dataclass" in ast.unparse(one) for one in getattr(node, "decorator_list", ())
        )
        for statement in node.body:
            match statement:
                case ast.FunctionDef():
                    yield from self._in_function(statement)
                case ast.ClassDef():
                    outer, self._function = self._function, statement.name
                    yield from self.body(statement)
                    self._function = outer
                case ast.Assign() | ast.AnnAssign() if not is_data and statement.value:
                    names = target_of(statement)
                    if names not in ("__all__", "__slots__"):
                        outer, self._function = self._function, self._function or names
                        yield from self._expression(statement.value)
                        self._function = outer

    def _in_function(self, node: ast.FunctionDef) -> Iterator[Edit]:
        outer = self._function, self._bound, self._worded
        self._worded = worded(node)
        self._function = f"{outer[0]}.{node.name}".lstrip(".")
        given = [one.arg for one in (*node.args.args, *node.args.kwonlyargs)]
        stored = [
            one.id
            for one in ast.walk(node)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        ]
        self._bound = Counter([*given, *stored])
        yield from self._block(node.body)
        self._function, self._bound, self._worded = outer

    def _block(self, body: list[ast.stmt]) -> Iterator[Edit]:
        for place, statement in enumerate(body):
            if self._is_droppable(statement):
                yield self._drop(body, place)
            yield from self._statement(statement)

    def _statement(self, node: ast.stmt) -> Iterator[Edit]:
        if isinstance(node, ast.FunctionDef):
            yield from self._in_function(node)
            return
        yield from self._head(node)
        for block in _blocks(node):
            yield from self._block(block)

    def _head(self, node: ast.stmt) -> Iterator[Edit]:
        """Edits of a statement but for the statements in it."""
        match node:
            case ast.If() | ast.While():
                if not saves_work(node) and not only_words(node):
                    yield from self._condition(node)
                    yield from self._expression(node.test)
            case ast.For():
                yield from self._expression(node.iter)
            case ast.AugAssign():
                yield from self._sign(node)
                yield from self._expression(node.value)
            case ast.Assign() | ast.AnnAssign():
                if node.value is not None and is_time(target_of(node)):
                    self._no_matter |= zeros(node.value)
                if node.value is not None and not self._only_words(target_of(node)):
                    yield from self._expression(node.value)
            case ast.Return(value=ast.expr() as value) | ast.Expr(value=value):
                yield from self._expression(value)

    def _expression(self, node: ast.expr) -> Iterator[Edit]:
        if isinstance(node, ast.JoinedStr):
            return
        if isinstance(node, ast.IfExp) and is_text(node.body) and is_text(node.orelse):
            return
        self._no_matter |= of_no_matter(node)
        match node:
            case ast.Constant():
                if node not in self._no_matter:
                    yield from self._constant(node)
            case ast.IfExp():
                yield from self._condition(node)
            case ast.Compare():
                yield from self._comparison(node)
            case ast.BinOp():
                if not any(_is_sequence(side) for side in (node.left, node.right)):
                    yield from self._sign(node)
            case ast.BoolOp():
                other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
                yield self._swap(node, "op", "and/or", other)
        for child in ast.iter_child_nodes(node):
            yield from self._part(child)

    def _part(self, node: ast.AST) -> Iterator[Edit]:
        """Edits of what an expression is made of."""
        match node:
            case ast.comprehension():
                yield from self._expression(node.iter)
                for number, test in enumerate(node.ifs):
                    yield self._negate_filter(node, number)
                    yield from self._expression(test)
            case ast.keyword():
                if not is_words(node.arg or ""):
                    yield from self._expression(node.value)
            case ast.expr():
                yield from self._expression(node)

    def _sign(self, node: ast.BinOp | ast.AugAssign) -> Iterator[Edit]:
        if type(node.op) in _SIGN:
            yield self._swap(node, "op", "sign", _SIGN[type(node.op)]())

    def _comparison(self, node: ast.Compare) -> Iterator[Edit]:
        measured = any(_MEASURED.search(ast.unparse(side)) for side in sides_of(node))
        for place, op in enumerate(node.ops):
            yield self._swap(node, f"ops.{place}", "comparison", _TURNED[type(op)]())
            if type(op) in _BORDER and not measured:
                yield self._swap(node, f"ops.{place}", "border", _BORDER[type(op)]())

    def _constant(self, node: ast.Constant) -> Iterator[Edit]:
        value = node.value
        if isinstance(value, bool):
            yield self._swap(node, "value", "constant", not value)
        elif isinstance(value, int):
            more = value * 2 if value >= _DOUBLED_FROM else value + 1
            yield self._swap(node, "value", "constant", more)
        elif isinstance(value, float):
            yield self._swap(node, "value", "constant", value * 2.0 or 1.0)

    def _condition(self, node: ast.If | ast.While | ast.IfExp) -> Iterator[Edit]:
        if isinstance(node, ast.While):
            return  # it would never begin, or never end
        if isinstance(node.test, ast.Compare) and type(node.test.ops[0]) not in _BORDER:
            return  # the comparison turned round is the same
        negated = ast.UnaryOp(ast.Not(), node.test)
        yield self._swap(node, "test", "condition", negated)

    def _negate_filter(self, node: ast.comprehension, number: int) -> Edit:
        negated = ast.UnaryOp(ast.Not(), node.ifs[number])
        return self._swap(node, f"ifs.{number}", "condition", negated)

    def _swap(self, node: ast.AST, field: str, kind: str, new: object) -> Edit:
        name, _, place = field.partition(".")

        def apply() -> None:
            if place:
                getattr(node, name)[int(place)] = new
            else:
                setattr(node, name, new)

        shown = node.test if isinstance(node, ast.If | ast.IfExp) else node
        if isinstance(node, ast.comprehension):
            shown = node.ifs[int(place)]
        before = ast.unparse(shown)
        after = _shown_with(node, name, place, new)
        line = getattr(shown, "lineno", 0)
        return Edit(kind, line, self._function, before, after, apply)

    def _drop(self, body: list[ast.stmt], place: int) -> Edit:
        node = body[place]

        def apply() -> None:
            body[place] = ast.copy_location(ast.Pass(), node)

        before = ast.unparse(node).partition("\n")[0]
        return Edit("dropped", node.lineno, self._function, before, "pass", apply)

    def _only_words(self, target: str) -> bool:
        return is_words(target) or target in self._worded

    def _is_droppable(self, node: ast.stmt) -> bool:
        match node:
            case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Delete() | ast.Continue():
                return True
            case ast.Assign(targets=[ast.Name(id=name)]):
                return self._bound[name] > 1 and not self._only_words(name)
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
                return not self._function.endswith("__init__")
        return False


def _shown_with(node: ast.AST, name: str, place: str, new: object) -> str:
    """The text of a node with one of its fields changed; the node stays as it was."""
    old = getattr(node, name)
    if place:
        before = old[int(place)]
        old[int(place)] = new
        text = ast.unparse(node.ifs[int(place)] if isinstance(node, ast.comprehension) else node)
        old[int(place)] = before
        return text
    setattr(node, name, new)
    text = ast.unparse(node.test if isinstance(node, ast.If | ast.IfExp) else node)
    setattr(node, name, old)
    return text


def _is_sequence(node: ast.expr) -> bool:
    return is_text(node) or isinstance(node, ast.Tuple | ast.List)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The statements in a statement."""
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def reached_edits(
    module: str, source: str, lines: Collection[int], names: Collection[str]
) -> tuple[list[int], list[Edit]]:
    """The numbers of the edits in lines that were run, and all edits.

    What stands at the level of the module counts where one of the `names` that it binds is used.
    """
    tree = ast.parse(source)
    every = edits(tree)
    bound = {
        line: target_of(node)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    numbers = [
        number
        for number, edit in enumerate(every)
        if not is_excluded(module, edit)
        if (bound[edit.line] in names if edit.line in bound else edit.line in lines)
    ]
    return numbers, every
