"""A whole mine over TLS: what each role is shown, what the log keeps, and commands that ask it."""

import csv
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from typer.testing import CliRunner, Result

from gateway.cli.commands import app
from gateway.config.bundle import read_settings
from gateway.security.folder import CertificateFolder
from gateway.security.identity import Identity
from gateway.security.material import now
from gateway.security.roles import LEAST_ROLE, Role
from hil_sim.sample_mine import Ports, write_sample_mine
from lamproom.v1 import (
    alarm_pb2,
    event_pb2,
    hazard_pb2,
    hazard_pb2_grpc,
    muster_pb2,
    muster_pb2_grpc,
    roster_pb2,
    roster_pb2_grpc,
)
from tests.support.places import ROOT
from tests.support.processes import gateway, simulator
from tests.support.waiting import LONG_S, blocked_until

#: Methods whose answers name people in this mine: what is masked must have been there.
NAMING = {
    "AttendanceService/ListAttendance",
    "EventService/ListEvents",
    "EventService/WatchEvents",
    "HazardService/ListHazards",
    "HazardService/WatchHazards",
    "MineService/ListPeople",
    "MusterService/GetMuster",
    "MusterService/WatchMuster",
    "RosterService/ListCards",
}


#: Methods that need something in their requests, or are not there yet.
REFUSED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED,
)


@dataclass
class Mine:
    folder: Path
    port: int

    @property
    def names(self) -> list[str]:
        with (self.folder / "people.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        return [row["name"] for row in rows if row.get("kind", "") in {"", "person"}]

    def channel(self, name: str) -> grpc.Channel:
        files = [self.folder / "certs" / one for one in ("ca.pem", f"{name}.key", f"{name}.pem")]
        pem = [file.read_bytes() for file in files]
        return grpc.secure_channel(f"localhost:{self.port}", grpc.ssl_channel_credentials(*pem))

    def run(self, *arguments: str | Path, name: str) -> Result:
        return CliRunner().invoke(app, list(map(str, arguments)), env={"LAMPROOM_NAME": name})


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mine]:
    folder = tmp_path_factory.mktemp("secured")
    write_sample_mine(folder / "mine", people=60, ports=Ports.free())
    with (folder / "mine" / "mine.toml").open("a", encoding="utf-8") as settings:
        settings.write("\n[grpc.tls]\n")
    mine = Mine(folder / "mine", read_settings(folder / "mine").grpc.port)
    kept = CertificateFolder(mine.folder / "certs")
    kept.begin("140100000001", [], 90, now())
    kept.issue(Identity("screen", Role.VIEWER), 90, now())
    kept.issue(Identity("control-room", Role.OPERATOR, on_behalf=True), 90, now())
    kept.issue(Identity("dispatcher", Role.OPERATOR), 90, now())
    with ExitStack() as stack:
        stack.enter_context(simulator(mine.folder, folder))
        stack.enter_context(gateway(mine.folder, mine.port, folder))
        blocked_until(lambda: _found(mine), "people are below")
        yield mine


def _found(mine: Mine) -> bool:
    return len(_ask(mine, "control-room", "AttendanceService/ListAttendance")) > 500


def _act(operator: str, note: str = "") -> alarm_pb2.ActHeader:
    return alarm_pb2.ActHeader(request_id=os.urandom(8).hex(), operator=operator, note=note)


def _method(name: str) -> Any:
    modules = [
        import_module(f"lamproom.v1.{file.stem}_pb2")
        for file in sorted((ROOT / "proto/lamproom/v1").glob("*.proto"))
    ]
    services = {
        service.name: service
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
    }
    service, _, method = name.partition("/")
    return services[service].methods_by_name[method]


def _ask(mine: Mine, who: str, name: str) -> bytes:
    """All bytes that a method answers: a stream's up to its `sync`; none where it refuses."""
    method = _method(name)
    start = {"sequence": 1} if name == "EventService/WatchEvents" else {}
    request = GetMessageClass(method.input_type)(**start).SerializeToString()
    answer_type = GetMessageClass(method.output_type)
    parts = []
    with mine.channel(who) as channel:
        ask: Any = channel.stream_stream(f"/lamproom.v1.{name}")
        call = ask(iter([request]), timeout=LONG_S)
        try:
            for part in call:
                parts.append(part)
                answer = answer_type.FromString(part)
                if "sync" in method.output_type.fields_by_name and answer.HasField("sync"):
                    break
        except grpc.RpcError as error:
            code = error.code()
            if code not in REFUSED:
                raise
        call.cancel()
    return b"".join(parts)


def test_who_may_not_see_names_finds_none_in_any_answer(mine: Mine) -> None:
    names = mine.names
    with mine.channel("control-room") as channel:
        hazards = hazard_pb2_grpc.HazardServiceStub(channel)
        report = hazard_pb2.ReportHazardRequest(
            act=_act(names[0], f"{names[1]} has seen it"), title=f"roof, says {names[2]}",
            zone_id="face_3101", level=event_pb2.ALARM_LEVEL_YELLOW,
        )  # fmt: skip
        hazard = hazards.ReportHazard(report, timeout=LONG_S).hazard_id
        assign = hazard_pb2.AssignHazardRequest(
            act=_act(names[0]), hazard_id=hazard, assignee=names[3]
        )
        hazards.AssignHazard(assign, timeout=LONG_S)
        roster = roster_pb2_grpc.RosterServiceStub(channel)
        spare = roster_pb2.ReplaceCardRequest(
            act=_act(names[6]), old_card=_cards(mine)[7], new_card="14010000000199999"
        )
        roster.ReplaceCard(spare, timeout=LONG_S)
        muster = muster_pb2.OpenMusterRequest(act=_act(names[4], f"{names[5]} drills"), drill=True)
        muster_pb2_grpc.MusterServiceStub(channel).OpenMuster(muster, timeout=LONG_S)
    naming = set()
    for method in LEAST_ROLE:
        if not method.startswith("/lamproom.v1.") or LEAST_ROLE[method] > Role.VIEWER:
            continue
        name = method.removeprefix("/lamproom.v1.")
        shown, masked = _ask(mine, "control-room", name), _ask(mine, "screen", name)
        if any(one.encode() in shown for one in names):
            naming.add(name)
        assert [one for one in names if one.encode() in masked] == [], name
        assert bool(shown) == bool(masked), name
    assert naming >= NAMING


def _cards(mine: Mine) -> list[str]:
    with (mine.folder / "people.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row["card"] for row in csv.DictReader(file)]


def test_the_audit_log_keeps_who_was_authenticated(mine: Mine) -> None:
    with mine.channel("dispatcher") as channel:
        hazards = hazard_pb2_grpc.HazardServiceStub(channel)
        own = hazard_pb2.ReportHazardRequest(
            act=_act(""), title="water", zone_id="face_3101", level=event_pb2.ALARM_LEVEL_BLUE
        )
        hazard = hazards.ReportHazard(own, timeout=LONG_S).hazard_id
        other = hazard_pb2.MendHazardRequest(act=_act("someone"), hazard_id=hazard)
        with pytest.raises(grpc.RpcError) as refused:
            hazards.MendHazard(other, timeout=LONG_S)
    assert isinstance(refused.value, grpc.Call)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "you are 'dispatcher'" in str(refused.value.details())
    shown = mine.run("audit", "show", mine.folder, "--json", name="dispatcher")
    entries = [json.loads(line) for line in shown.stdout.splitlines()]
    (entry,) = [one for one in entries if one["operator"] == "dispatcher"]
    assert entry["detail"]["caller"] == "dispatcher"
    assert "someone" not in {one["operator"] for one in entries}


def test_commands_find_the_certificates_of_a_mines_folder(mine: Mine) -> None:
    devices = mine.run("devices", mine.folder, "--json", name="dispatcher")
    assert devices.exit_code == 0, devices.stderr
    found = json.loads(devices.stdout)["devices"]
    assert {one["device"] for one in found} >= {"uwb_1", "shearer_3101"}
    watched = mine.run("watch", mine.folder, "--json", "--seconds", "3", name="screen")
    assert watched.exit_code == 0, watched.stderr
    assert '"sync"' in watched.stdout
    refused = mine.run("devices", mine.folder, name="screen")
    assert refused.exit_code == 1
    assert "EquipmentService/ListDevices needs operator: screen's role is viewer" in refused.stderr
    nobody = mine.run("devices", mine.folder, name="nobody")
    assert nobody.exit_code == 1
    assert "has no key of nobody: `lamproom certs issue" in nobody.stderr
    plain = mine.run("devices", f"127.0.0.1:{mine.port}", name="")
    assert plain.exit_code == 1
    doctor = mine.run("doctor", mine.folder, "--no-devices", "--json", name="")
    texts = {one["what"]: one["text"] for one in json.loads(doctor.stdout)["findings"]}
    assert "the gateway's certificate ends in 8" in texts["certificates"]
