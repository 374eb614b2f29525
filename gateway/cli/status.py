"""`lamproom status`: how a gateway does, at a glance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from gateway.cli.asking import ANSWER_MOST_S, HERE, Where, asking, pages, print_table
from gateway.cli.show import iso, local, plain, show, size, zone_of

if TYPE_CHECKING:
    import grpc
    from google.protobuf.timestamp_pb2 import Timestamp

    from lamproom.v1 import admin_pb2

_COLUMNS: Final = (
    "id",
    "from",
    "who",
    "role",
    "method",
    "for s",
    "messages",
    "MB",
    "last s ago",
    "blocked s",
)
#: Who does not read for longer than this is told of.
_BLOCKED_S: Final = 1.0


class _Failing(Protocol):
    @property
    def failure(self) -> str: ...
    @property
    def failure_time(self) -> Timestamp: ...
    def HasField(self, field_name: Any, /) -> bool: ...  # noqa: N802 - protobuf's own name


def status(
    where: Where = HERE,
    *,
    subscribers: Annotated[
        bool, typer.Option("--subscribers", help="Also a row for each stream that is open.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with all figures.")
    ] = False,
) -> None:
    """Show how a gateway, its journal and its disk do.

    Ends with status 1 where it can't be asked, or where it can't keep events or positions.
    """
    with asking(where) as channel:
        answer = _status_of(channel)
        rows = _subscribers_of(channel) if subscribers else []
    now_ns = answer.time.ToNanoseconds()
    if as_json:
        found = _figures(answer)
        if subscribers:
            found["subscriber_list"] = [_row_of(row, now_ns) for row in rows]
        typer.echo(json.dumps(found, ensure_ascii=False, allow_nan=False))
    else:
        for line in _lines(answer):
            show(plain(line))
        if subscribers:
            print_table(_COLUMNS, (_cells(row, now_ns) for row in rows), _COLUMNS[5:])
    if answer.journal.failure or answer.tracks.failure:
        raise typer.Exit(1)


def _status_of(channel: grpc.Channel) -> admin_pb2.GetStatusResponse:
    from lamproom.v1 import admin_pb2, admin_pb2_grpc

    stub = admin_pb2_grpc.AdminServiceStub(channel)
    return stub.GetStatus(admin_pb2.GetStatusRequest(), timeout=ANSWER_MOST_S)


def _subscribers_of(channel: grpc.Channel) -> list[admin_pb2.Subscriber]:
    from lamproom.v1 import admin_pb2, admin_pb2_grpc

    stub = admin_pb2_grpc.AdminServiceStub(channel)

    def page(token: str) -> admin_pb2.ListSubscribersResponse:
        request = admin_pb2.ListSubscribersRequest(page_token=token)
        return stub.ListSubscribers(request, timeout=ANSWER_MOST_S)

    return [row for answer in pages(page) for row in answer.subscribers]


def _lines(answer: admin_pb2.GetStatusResponse) -> Iterator[str]:
    zone = zone_of(answer.configuration.timezone)
    ran_s = (answer.time.ToNanoseconds() - answer.begin_time.ToNanoseconds()) / 1e9
    begun = local(answer.begin_time.ToNanoseconds(), zone)
    configuration = answer.configuration
    loaded = local(configuration.load_time.ToNanoseconds(), zone)
    yield f"lamproom {answer.version}  {answer.mine_name} ({answer.mine_code})"
    yield f"runs           {_duration(ran_s)}, since {begun}"
    yield (
        f"configuration  number {configuration.number}, version {configuration.version or '-'},"
        f" SHA-256 {configuration.digest[:12] or '-'}, since {loaded}"
    )
    yield from _journal_lines(answer.journal, zone)
    yield from _tracks_lines(answer, zone)
    share = 100 * answer.processor_s / ran_s if ran_s > 0 else 0.0
    yield (
        f"process        {size(answer.resident_bytes)} of memory,"
        f" {answer.processor_s:.0f} s of processor time ({share:.1f} % since it began)"
    )
    refused = f"; {answer.fixes_refused} fixes could be told in no frame"
    yield f"streams        {answer.subscribers} open{refused if answer.fixes_refused else ''}"


def _journal_lines(journal: admin_pb2.JournalStatus, zone: tzinfo) -> Iterator[str]:
    kept = f"events {journal.first_sequence} to {journal.last_sequence}"
    if not journal.last_sequence:
        kept = "no events yet"
    room = f"{size(journal.bytes)}, {size(journal.free_bytes)} free"
    yield f"journal        {_state(journal, zone)}{kept}, {room}"
    if journal.waiting_events:
        yield f"               {journal.waiting_events} events wait for the disk"
    for sentence in journal.damage:
        yield f"               damage: {sentence}"


def _tracks_lines(answer: admin_pb2.GetStatusResponse, zone: tzinfo) -> Iterator[str]:
    if not answer.HasField("tracks"):
        yield "positions      none are kept"
        return
    tracks = answer.tracks
    kept = "none yet"
    if tracks.HasField("oldest_time"):
        ends = (tracks.oldest_time, tracks.newest_time)
        kept = " to ".join(local(end.ToNanoseconds(), zone) for end in ends)
    dropped = f", {tracks.dropped} not kept" if tracks.dropped else ""
    yield f"positions      {_state(tracks, zone)}{kept}, {size(tracks.bytes)}{dropped}"


def _state(of: _Failing, zone: tzinfo) -> str:
    if not of.failure:
        return "ok: "
    since = ""
    if of.HasField("failure_time"):
        since = f" since {local(of.failure_time.ToNanoseconds(), zone)}"
    return f"FAILS{since}: {of.failure}; "


def _figures(answer: admin_pb2.GetStatusResponse) -> dict[str, Any]:
    journal, configuration = answer.journal, answer.configuration
    found: dict[str, Any] = {
        "version": answer.version,
        "mine_code": answer.mine_code,
        "mine_name": answer.mine_name,
        "begin_time": _time(answer, "begin_time"),
        "time": _time(answer, "time"),
        "configuration": {
            "number": configuration.number,
            "version": configuration.version,
            "digest": configuration.digest,
            "load_time": _time(configuration, "load_time"),
        },
        "journal": {
            "epoch": f"{journal.epoch:016x}",
            "first_sequence": journal.first_sequence,
            "last_sequence": journal.last_sequence,
            "bytes": journal.bytes,
            "free_bytes": journal.free_bytes,
            "waiting_events": journal.waiting_events,
            "failure": journal.failure,
            "failure_time": _time(journal, "failure_time"),
            "damage": list(journal.damage),
        },
        "tracks": None,
        "resident_bytes": answer.resident_bytes,
        "processor_s": answer.processor_s,
        "subscribers": answer.subscribers,
        "fixes_refused": answer.fixes_refused,
    }
    if answer.HasField("tracks"):
        tracks = answer.tracks
        times = ("oldest_time", "newest_time", "failure_time")
        found["tracks"] = {
            **{name: _time(tracks, name) for name in times},
            "bytes": tracks.bytes,
            "failure": tracks.failure,
            "dropped": tracks.dropped,
        }
    return found


def _row_of(row: admin_pb2.Subscriber, now_ns: int) -> dict[str, Any]:
    ago_s = (now_ns - row.message_time.ToNanoseconds()) / 1e9
    return {
        "subscriber_id": row.subscriber_id,
        "peer": row.peer,
        "identity": row.identity,
        "role": row.role,
        "method": row.method,
        "open_s": (now_ns - row.begin_time.ToNanoseconds()) / 1e9,
        "messages": row.messages,
        "bytes": row.bytes,
        "message_s_ago": ago_s if row.HasField("message_time") else None,
        "blocked_s": row.blocked_s,
    }


def _cells(row: admin_pb2.Subscriber, now_ns: int) -> list[str]:
    found = _row_of(row, now_ns)
    ago_s = found["message_s_ago"]
    return [
        str(row.subscriber_id),
        row.peer,
        row.identity,
        row.role,
        row.method.rpartition("/")[2],
        f"{found['open_s']:.0f}",
        str(row.messages),
        f"{row.bytes / 1e6:.1f}",
        "-" if ago_s is None else f"{ago_s:.1f}",
        f"{row.blocked_s:.1f}" if row.blocked_s >= _BLOCKED_S else "-",
    ]


def _time(message: Any, field: str) -> str | None:
    return iso(getattr(message, field).ToNanoseconds()) if message.HasField(field) else None


def _duration(seconds: float) -> str:
    minutes, _ = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {int(seconds) % 60} s"
