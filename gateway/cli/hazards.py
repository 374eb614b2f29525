"""`lamproom hazards`: list hazards, and take them from found to cleared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.cli.asking import (
    ANSWER_MOST_S,
    HERE,
    act_header,
    asking,
    mine_zone,
    pages,
    print_table,
)
from gateway.cli.channel import target_of
from gateway.cli.show import local, show
from gateway.cli.stopping import end_well_on_signals

if TYPE_CHECKING:
    from lamproom.v1 import hazard_pb2, hazard_pb2_grpc

hazards = typer.Typer(
    help="List hazards, and take them from found to cleared.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Where = Annotated[
    str,
    typer.Argument(
        metavar="[HOST:PORT|DIR]",
        help="The gateway's gRPC address, or the mine's folder, which says it.",
    ),
]
Id = Annotated[str, typer.Argument(metavar="HAZARD", help="Its id, such as hazard-12.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What is to be said about it.")]
Request = Annotated[
    str,
    typer.Option(
        "--request-id", metavar="ID", help="The same when it is sent again; else a random one."
    ),
]
Due = Annotated[
    datetime | None,
    typer.Option("--due", help="By when it is to be mended, time of the mine."),
]

T = TypeVar("T")


@hazards.command("list")
def list_hazards(
    where: Where = HERE,
    *,
    zone: Annotated[str, typer.Option("--zone", help="Only those in this zone.")] = "",
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those that are overdue.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are cleared.")] = False,
) -> None:
    """List the hazards that are not cleared, oldest first, with times in the mine's zone."""
    from lamproom.v1 import hazard_pb2, hazard_pb2_grpc

    states = [] if everything else [state for state in hazard_pb2.HazardState.values() if state]
    if not everything:
        states.remove(hazard_pb2.HAZARD_STATE_CLEARED)
    found: list[hazard_pb2.Hazard] = []
    with asking(where) as channel:
        times = mine_zone(channel)
        stub = hazard_pb2_grpc.HazardServiceStub(channel)

        def page(token: str) -> hazard_pb2.ListHazardsResponse:
            request = hazard_pb2.ListHazardsRequest(
                states=states, zone_id=zone, only_overdue=overdue, page_token=token
            )
            return stub.ListHazards(request, timeout=ANSWER_MOST_S)

        for answer in pages(page):
            found.extend(answer.hazards)
    _print(found, times)


@hazards.command("watch")
def watch(
    where: Where = HERE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End after so long; without it, on Ctrl-C.")
    ] = None,
) -> None:
    """Print the hazards that are not cleared, then each that changes, line by line.

    Comes back after every break-off, until Ctrl-C or SIGTERM. Status 1 when the gateway was never
    reached within --seconds, or refuses what is asked.
    """
    end_well_on_signals()
    from gateway.cli.hazard_watch import HazardFollower
    from gateway.cli.watch import follow

    target = target_of(where)
    follow(lambda: HazardFollower(target, as_json=as_json), target.address, seconds)


@hazards.command("report")
def report(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What is wrong.")],
    where: Where = HERE,
    *,
    by: By,
    risk_point: Annotated[str, typer.Option("--risk-point", help="The risk point.")] = "",
    zone: Annotated[str, typer.Option("--zone", help="The zone that it is in.")] = "",
    device: Annotated[str, typer.Option("--device", help="The machine that it is at.")] = "",
    level: Annotated[
        int, typer.Option("--level", min=0, max=4, help="1 (red) to 4; 0: the risk point's.")
    ] = 0,
    due: Due = None,
    note: Note = "",
    request_id: Request = "",
) -> None:
    """Report a hazard that was found; prints its id."""
    from lamproom.v1 import event_pb2, hazard_pb2

    request = hazard_pb2.ReportHazardRequest(
        act=act_header(by, note, request_id),
        title=title,
        risk_point_id=risk_point,
        zone_id=zone,
        device_id=device,
        level=event_pb2.AlarmLevel.ValueType(level),
    )
    _set_due(request, due, where)
    answer = _with_stub(where, lambda stub: stub.ReportHazard(request, timeout=ANSWER_MOST_S))
    show(answer.hazard_id)


@hazards.command("assign")
def assign(
    hazard: Id,
    where: Where = HERE,
    *,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Who is to mend it.")],
    by: By,
    due: Due = None,
    note: Note = "",
    request_id: Request = "",
) -> None:
    """Say who is to mend a hazard."""
    from lamproom.v1 import hazard_pb2

    act = act_header(by, note, request_id)
    request = hazard_pb2.AssignHazardRequest(act=act, hazard_id=hazard, assignee=to)
    _set_due(request, due, where)
    _done(where, lambda stub: stub.AssignHazard(request, timeout=ANSWER_MOST_S))


@hazards.command("mend")
def mend(
    hazard: Id, where: Where = HERE, *, by: By, note: Note = "", request_id: Request = ""
) -> None:
    """Say that a hazard is mended."""
    from lamproom.v1 import hazard_pb2

    act = act_header(by, note, request_id)
    request = hazard_pb2.MendHazardRequest(act=act, hazard_id=hazard)
    _done(where, lambda stub: stub.MendHazard(request, timeout=ANSWER_MOST_S))


@hazards.command("check")
def check(
    hazard: Id,
    where: Where = HERE,
    *,
    passed: Annotated[bool, typer.Option("--passed/--rejected", help="Whether it is mended well.")],
    by: By,
    due: Due = None,
    note: Note = "",
    request_id: Request = "",
) -> None:
    """Say whether a hazard is mended well, or goes back; then the note says why."""
    from lamproom.v1 import hazard_pb2

    act = act_header(by, note, request_id)
    request = hazard_pb2.CheckHazardRequest(act=act, hazard_id=hazard, passed=passed)
    _set_due(request, due, where)
    _done(where, lambda stub: stub.CheckHazard(request, timeout=ANSWER_MOST_S))


@hazards.command("supervise")
def supervise(
    hazard: Id,
    where: Where = HERE,
    *,
    supervisor: Annotated[
        str, typer.Option("--supervisor", metavar="NAME", help="Who alone may clear it then.")
    ],
    by: By,
    note: Note = "",
    request_id: Request = "",
) -> None:
    """Put a hazard under someone's supervision."""
    from lamproom.v1 import hazard_pb2

    act = act_header(by, note, request_id)
    request = hazard_pb2.SuperviseHazardRequest(act=act, hazard_id=hazard, supervisor=supervisor)
    _done(where, lambda stub: stub.SuperviseHazard(request, timeout=ANSWER_MOST_S))


@hazards.command("clear")
def clear(
    hazard: Id,
    where: Where = HERE,
    *,
    as_supervisor: Annotated[
        bool, typer.Option("--as-supervisor", help="You supervise it, and clear it as such.")
    ] = False,
    by: By,
    note: Note = "",
    request_id: Request = "",
) -> None:
    """Clear a hazard that was checked."""
    from lamproom.v1 import hazard_pb2

    act = act_header(by, note, request_id)
    request = hazard_pb2.ClearHazardRequest(act=act, hazard_id=hazard, as_supervisor=as_supervisor)
    _done(where, lambda stub: stub.ClearHazard(request, timeout=ANSWER_MOST_S))


def _set_due(request: Any, due: datetime | None, where: str) -> None:
    if due is not None:
        with asking(where) as channel:
            request.due_time.FromDatetime(due.replace(tzinfo=mine_zone(channel)))


def _done(where: str, ask: Callable[[hazard_pb2_grpc.HazardServiceStub], Any]) -> None:
    result = _with_stub(where, ask).result
    show("it had been done before" if result.repeated_request else "done")


def _with_stub(where: str, ask: Callable[[hazard_pb2_grpc.HazardServiceStub], T]) -> T:
    """What a gateway answers; a refusal ends the command."""
    from lamproom.v1 import hazard_pb2_grpc

    with asking(where) as channel:
        return ask(hazard_pb2_grpc.HazardServiceStub(channel))


def _print(found: list[hazard_pb2.Hazard], zone: tzinfo) -> None:
    columns = ("hazard", "level", "state", "due", "where", "assignee", "supervisor", "title")
    print_table(columns, [_cells(one, zone) for one in found], width=200)
    overdue = sum(one.overdue for one in found)
    show(f"{len(found)} hazards, {overdue} of them overdue")


def _cells(one: hazard_pb2.Hazard, zone: tzinfo) -> tuple[str, ...]:
    from gateway.cli.hazard_watch import state_of

    return (
        one.hazard_id,
        str(one.level),
        state_of(one),
        local(one.due_time.ToNanoseconds(), zone),
        " ".join(filter(None, (one.risk_point_id, one.zone_id, one.device_id))),
        one.assignee,
        one.supervisor,
        one.title,
    )
