"""Makes docs/api.md from the contract: `.venv/env/bin/python tests/proto/document.py [FILE]`."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]

from gateway.serve.reasons import DOMAIN, Reason  # noqa: E402 - the path comes first

PROTO: Final = ROOT / "proto"
PACKAGE: Final = "lamproom.v1"
OUT: Final = ROOT / "docs/api.md"

#: A status code that a comment tells the meaning of, up to the next one.
CODE: Final = re.compile(r"^([A-Z][A-Z_]+[A-Z]): ", re.MULTILINE)
#: Paths in source information: which field of a file, message, enum or service is meant.
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_FIELD, _NESTED, _INNER_ENUM, _METHOD, _VALUE = 2, 3, 4, 2, 2

HEAD: Final = """# API

Made from the contract, [proto/lamproom/v1](../proto/lamproom/v1), by `./run proto`: change the
comments there. What a client does with each message is told in [clients.md](clients.md).

All names are of the package `lamproom.v1`. Times are `google.protobuf.Timestamp`, in UTC. A field
that is not there is empty, 0 or false, but for those that are told to be absent. A unit stands at
the end of a field's name: `x_m` is in metres, `age_s` in seconds.
"""

ERRORS: Final = f"""## Errors

An error has a status code, a message in words, and details (google.rpc, in the trailing metadata
`grpc-status-details-bin`):

- `ErrorInfo`: always. Its `domain` is `{DOMAIN}` and its `reason` one of those below: decide by
  these, never by the words. Its `metadata` has `method`; `remedy`, what to do; `field`, where one
  field of the request is meant; and where they apply `limit`, `newest`, `acknowledged`, `path`.
- `BadRequest`: where a field of the request is wrong, which one and why.
- `PreconditionFailure`: with `FAILED_PRECONDITION`, what stands against it.
- `ResourceInfo`: where something is meant that has an id, what and which.
- `RetryInfo`: where it helps to send the same again later, after how long at least.

Any method may end with `REQUEST_MALFORMED`, `INTERNAL_ERROR` or `STOPPING`, and one that takes a
`read_mask` with `READ_MASK_INVALID`. A part of a request that is told again is cut where it is
long. What gRPC itself refuses before the gateway sees it has no details: a request that is too
large or a call too many (`RESOURCE_EXHAUSTED`), a method that there is not (`UNIMPLEMENTED`), a
gateway that can't be reached (`UNAVAILABLE`).
"""


@dataclass(frozen=True)
class Item:
    """A service, rpc, message, enum or field: where, what, and what is said of it."""

    name: str
    file: str
    comment: str
    proto: Any
    below: tuple[Item, ...] = ()

    @property
    def kind(self) -> str:
        """What it is, as in `DescriptorProto`."""
        return type(self.proto).__name__.removesuffix("DescriptorProto") or "Message"


def descriptors() -> descriptor_pb2.FileDescriptorSet:
    """The contract with its comments."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}"),
                *("--include_source_info", f"--descriptor_set_out={out}"),
                *sorted(str(file) for file in (PROTO / PACKAGE.replace(".", "/")).glob("*.proto")),
            ],
            check=True,
        )
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


def items_of(files: descriptor_pb2.FileDescriptorSet) -> list[Item]:
    """All services, messages and enums, file by file, with what is in them."""
    found: list[Item] = []
    for file in sorted(files.file, key=lambda file: file.name):
        comments = {
            tuple(place.path): _text(place.leading_comments or place.trailing_comments)
            for place in file.source_code_info.location
        }

        def item(proto: Any, path: tuple[int, ...], name: str = "") -> Item:
            below: list[Item] = []
            for field, kinds in _below(proto).items():
                below += (item(one, (*path, field, n)) for n, one in enumerate(kinds))
            return Item(name or proto.name, file.name, comments.get(path, ""), proto, tuple(below))

        for field, protos in (
            (_SERVICE, file.service),
            (_MESSAGE, file.message_type),
            (_ENUM, file.enum_type),
        ):
            for n, proto in enumerate(protos):
                found += _flat(item(proto, (field, n)))
    return found


def _below(proto: Any) -> dict[int, Any]:
    if isinstance(proto, descriptor_pb2.DescriptorProto):
        return {_FIELD: proto.field, _NESTED: proto.nested_type, _INNER_ENUM: proto.enum_type}
    if isinstance(proto, descriptor_pb2.EnumDescriptorProto):
        return {_VALUE: proto.value}
    if isinstance(proto, descriptor_pb2.ServiceDescriptorProto):
        return {_METHOD: proto.method}
    return {}


def _flat(one: Item, above: str = "") -> Iterator[Item]:
    """It and the messages and enums within it, which have names of their own then."""
    name = f"{above}{one.name}"
    yield Item(name, one.file, one.comment, one.proto, one.below)
    for inner in one.below:
        if inner.kind in ("Message", "Enum"):
            yield from _flat(inner, f"{name}.")


def _text(comment: str) -> str:
    return "\n".join(line.removeprefix(" ").rstrip() for line in comment.strip("\n").split("\n"))


def document() -> str:
    """The whole page."""
    items = items_of(descriptors())
    services = [one for one in items if one.kind == "Service"]
    parts = [HEAD, "## Services\n", _services_table(services), _errors()]
    for service in services:
        parts += _service(service)
    parts.append("## Messages and enums\n")
    for one in items:
        if one.kind in ("Message", "Enum"):
            parts += _type(one)
    return "\n".join(parts).rstrip("\n") + "\n"


def _services_table(services: Iterable[Item]) -> str:
    rows = []
    for service in services:
        methods = ", ".join(
            f"[{m.name}](#{_slug(f'{service.name}.{m.name}')})" for m in service.below
        )
        rows.append((f"[{service.name}](#{_slug(service.name)})", _first(service.comment), methods))
    return _table(("service", "what it is for", "methods"), rows)


def _errors() -> str:
    rows = [
        (
            f"`{reason.name}`",
            f"`{reason.code.name}`",
            reason.meaning,
            reason.remedy or "as the message says",
            "" if reason.retry_s is None else f"{reason.retry_s:g} s",
        )
        for reason in Reason
    ]
    head = ("reason", "code", "what it means", "what to do", "again after")
    return f"{ERRORS}\n{_table(head, rows)}"


def _service(service: Item) -> Iterator[str]:
    yield f"## {service.name}\n"
    yield _markdown(service.comment)
    for method in service.below:
        name = f"{service.name}.{method.name}"
        asked = _stream(method.proto.client_streaming) + _link(method.proto.input_type)
        answer = _stream(method.proto.server_streaming) + _link(method.proto.output_type)
        yield f"### {name}\n\n{asked} → {answer}\n"
        yield _markdown(method.comment)


def _type(one: Item) -> Iterator[str]:
    yield f"### {one.name}\n"
    yield _markdown(one.comment)
    if one.kind == "Enum":
        values = [(f"`{v.name}`", str(v.proto.number), _cell(v.comment)) for v in one.below]
        yield _table(("value", "number", "meaning"), values)
        return
    fields = [field for field in one.below if field.kind == "Field"]
    if fields:
        rows = [
            (f"`{f.name}`", str(f.proto.number), _field_type(f.proto), _field_text(f, one))
            for f in fields
        ]
        yield _table(("field", "number", "type", "meaning"), rows)


def _field_type(field: FieldDescriptorProto) -> str:
    if field.type_name:
        name = _link(field.type_name)
    else:
        name = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return f"list of {name}" if repeated else name


def _field_text(field: Item, message: Item) -> str:
    proto = field.proto
    text = _cell(field.comment)
    if proto.HasField("oneof_index") and not proto.proto3_optional:
        one_of = message.proto.oneof_decl[proto.oneof_index].name
        text = f"(one of `{one_of}`) {text}".rstrip()
    return text


def _link(type_name: str) -> str:
    name = type_name.removeprefix(".")
    if not name.startswith(f"{PACKAGE}."):
        return f"`{name}`"
    own = name.removeprefix(f"{PACKAGE}.")
    return f"[{own}](#{_slug(own)})"


def _stream(is_one: bool) -> str:  # noqa: FBT001 - as the descriptor has it
    return "stream of " if is_one else ""


def _slug(heading: str) -> str:
    """The anchor that a heading is given: letters, digits, `_` and `-` in lower case."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _first(comment: str) -> str:
    sentence, end, _ = " ".join(comment.split("\n\n", maxsplit=1)[0].split()).partition(". ")
    return sentence + end.strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _markdown(comment: str) -> str:
    """A comment as paragraphs; status codes and what they mean as a list."""
    parts = []
    for paragraph in comment.split("\n\n"):
        before, *rest = CODE.split(paragraph)
        if before.strip():
            parts.append(" ".join(before.split()) + "\n")
        codes = zip(rest[::2], rest[1::2], strict=True)
        lines = [f"- `{code}`: {' '.join(text.split())}" for code, text in codes]
        if lines:
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if sys.argv[1:] else OUT).write_text(document(), encoding="utf-8")
