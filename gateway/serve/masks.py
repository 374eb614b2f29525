"""Only the fields that a client asks for: `read_mask` of List and Get methods (AIP-157).

Paths are those of google.protobuf.FieldMask: nested by dots, through messages but not through
lists. Of a list method they are paths of an item, else of the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.serve.failure import (
    PART_BYTES_MAX,
    TEXT_BYTES_MAX,
    RequestError,
    clipped,
    invalid,
)
from gateway.serve.reasons import Reason

FIELD: Final = "read_mask"

#: How many near names a client is told of a wrong one.
_NEAR_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class Selection:
    """What is kept of one message, by the ways in which its fields are copied.

    As `FieldMask.MergeMessage` does it, which reads its paths anew for each message.
    """

    plain: tuple[str, ...]
    optional: tuple[str, ...]
    lists: tuple[str, ...]
    messages: tuple[str, ...]
    nested: tuple[tuple[str, Selection], ...]

    def copy(self, source: Any, to: Any) -> None:
        """Adds to the empty message `to` what is kept of `source`."""
        for name in self.plain:
            setattr(to, name, getattr(source, name))
        for name in self.optional:
            if source.HasField(name):
                setattr(to, name, getattr(source, name))
        for name in self.lists:
            getattr(to, name).MergeFrom(getattr(source, name))
        for name in self.messages:
            if source.HasField(name):
                getattr(to, name).CopyFrom(getattr(source, name))
        for name, inner in self.nested:
            if source.HasField(name):
                inner.copy(getattr(source, name), getattr(to, name))


class ReadMask:
    """How the answers of one method are cut down to what is asked for."""

    def __init__(self, request: Descriptor) -> None:
        """Of the method whose requests are `request`, which must have a `read_mask`."""
        method = request.name.removesuffix("Request")
        answer = request.file.message_types_by_name[f"{method}Response"]
        #: The answer's list whose items the mask is of; None: of the answer itself.
        self._items = _list_of(answer) if method.startswith("List") else None
        self._root: Descriptor = (self._items and self._items.message_type) or answer

    def selection(self, paths: Iterable[str]) -> Selection | None:
        """What `paths` keep; None where all is asked for.

        Raises:
            RequestError: one of them is not a path.
        """
        tree: dict[str, Any] = {}
        for path in paths:
            _add(tree, path.split("."))
            _check(self._root, path)
        return _selection(self._root, tree) if tree else None

    def select(self, answer: Message, selection: Selection) -> Message:
        """A message with what is kept of `answer`, which other clients may be given whole."""
        kept = type(answer)()
        if self._items is None:
            selection.copy(answer, kept)
            return kept
        name = self._items.name
        for field, value in answer.ListFields():
            if field.name == name:
                items = getattr(kept, name)
                for item in value:
                    selection.copy(item, items.add())
            elif field.is_repeated or field.message_type:
                getattr(kept, field.name).MergeFrom(value)
            else:
                setattr(kept, field.name, value)
        return kept


def read_mask_of(request_type: type[Message]) -> ReadMask | None:
    """The mask of the method with these requests; None where answers are always whole."""
    request: Any = request_type.DESCRIPTOR
    field = request.fields_by_name.get(FIELD)
    # A stream has its own way: its messages are bytes when they get here.
    return ReadMask(request) if field and request.name.startswith(("List", "Get")) else None


def _list_of(answer: Descriptor) -> FieldDescriptor:
    return next(field for field in answer.fields if field.is_repeated and field.message_type)


def _add(tree: dict[str, Any], names: list[str]) -> None:
    """Adds a path: a leaf is an empty tree, and holds all that is below it."""
    head, rest = names[0], names[1:]
    if not rest:
        tree[head] = {}
    elif head not in tree:
        tree[head] = {}
        _add(tree[head], rest)
    elif tree[head]:
        _add(tree[head], rest)


def _selection(message: Descriptor, tree: dict[str, Any]) -> Selection:
    nested = []
    leaves: dict[str, list[str]] = {"plain": [], "optional": [], "lists": [], "messages": []}
    for name, below in tree.items():
        field = message.fields_by_name[name]
        inner = field.message_type
        if below and inner:
            nested.append((name, _selection(inner, below)))
        else:
            leaves[_way_of(field)].append(name)
    ways = {way: tuple(names) for way, names in leaves.items()}
    return Selection(**ways, nested=tuple(nested))


def _way_of(field: FieldDescriptor) -> str:
    if field.is_repeated:
        return "lists"
    if field.message_type:
        return "messages"
    return "optional" if field.has_presence else "plain"


def _check(message: Descriptor, path: str) -> None:
    """Raises RequestError where `path` is none of `message`."""
    names = path.split(".")
    for depth, name in enumerate(names, 1):
        field = message.fields_by_name.get(name)
        if field is None:
            raise _unknown(message, path, name, names[: depth - 1])
        if depth == len(names):
            return
        if field.is_repeated or field.message_type is None:
            what = "a list" if field.is_repeated else "no message"
            whole = ".".join(names[:depth])
            told = clipped(path, PART_BYTES_MAX)
            msg = f"read_mask: {told!r} asks for a part of {whole}, which is {what}"
            raise invalid(msg, FIELD, Reason.READ_MASK_INVALID, remedy=f"ask for {whole!r}")
        message = field.message_type


def _unknown(message: Descriptor, path: str, name: str, above: list[str]) -> RequestError:
    fields = list(message.fields_by_name)
    near = get_close_matches(name, fields, _NEAR_MOST, 0.5) or fields
    near_paths = ", ".join(".".join((*above, one)) for one in near)
    told = clipped(path, PART_BYTES_MAX)
    msg = f"read_mask: {told!r} is no field of {message.name}"
    return RequestError(
        Reason.READ_MASK_INVALID,
        msg,
        field=FIELD,
        remedy=f"there are {clipped(near_paths, TEXT_BYTES_MAX // 2)}",
        metadata={"path": told},
    )
