"""How devices do: what is counted, what of it is of now, and how clients and engineers see it."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from equipment.profile import Kind
from equipment.report import LinkChange, LinkState, NoticeKind, RecordBatch
from gateway.cli.devices import devices
from gateway.device_health import WINDOW_S, DeviceHealth
from gateway.inbox import DeviceInbox, Inbox
from lamproom.v1 import equipment_pb2
from positioning.observation import IdTable
from protocols.readers import Extent
from tests.gateway.serve_rig import T0_NS, S, sample, served


def health() -> DeviceHealth:
    return DeviceHealth("modbus tcp 10.0.0.5:502 unit 1", T0_NS)


def test_rates_are_of_the_last_whole_seconds() -> None:
    one = health()
    for second in range(30):
        one.note_samples([sample("speed", 1.0)] * 4, T0_NS + second * S)
        one.note_records(10, T0_NS + second * S + S // 2)
    recent = one.recent(T0_NS + 30 * S)
    assert (recent.values_per_s, recent.records_per_s) == (4.0, 10.0)
    assert (one.values, one.records) == (120, 300)
    # This second is not over: it says nothing yet.
    one.note_samples([sample("speed", 1.0)] * 1000, T0_NS + 30 * S)
    assert one.recent(T0_NS + 30 * S + 1).values_per_s == 4.0
    # Silence ends a rate within the window.
    quiet = one.recent(T0_NS + (31 + WINDOW_S) * S)
    assert (quiet.values_per_s, quiet.records_per_s) == (0.0, 0.0)


def test_a_device_that_has_just_begun_has_the_rate_of_the_seconds_that_there_were() -> None:
    one = health()
    for second in range(3):
        one.note_samples([sample("speed", 1.0)] * 6, T0_NS + second * S)
    assert one.recent(T0_NS + 3 * S).values_per_s == 6.0
    assert health().recent(T0_NS).values_per_s == 0.0


def test_bad_values_are_heard_but_nothing_good() -> None:
    one = health()
    one.note_samples([sample("speed", None)] * 3, T0_NS)
    assert (one.values, one.bad_values, one.good_ns) == (3, 3, None)
    one.note_samples([sample("speed", None), sample("state", 1.0)], T0_NS + S)
    assert (one.values, one.bad_values, one.good_ns) == (5, 4, T0_NS + S)
    one.note_records(0, T0_NS + 2 * S)
    assert one.good_ns == T0_NS + S


def test_round_trips_have_a_mean_and_a_longest() -> None:
    one = health()
    assert one.recent(T0_NS).round_trip_mean_s is None
    for n, took_s in enumerate((0.010, 0.020, 0.060)):
        one.note_answer(took_s, T0_NS + n * S)
    recent = one.recent(T0_NS + 3 * S)
    assert recent.round_trip_mean_s == pytest.approx(0.030)
    assert recent.round_trip_most_s == 0.060


def test_a_clock_is_as_far_ahead_as_what_came_fastest_shows() -> None:
    one = health()
    for n, ahead_ms in enumerate((1480, 1499, 1200)):  # what comes late makes it look less
        one.note_clock(ahead_ms * 1_000_000, T0_NS + n * S)
    assert one.recent(T0_NS + 3 * S).clock_ahead_s == 1.499
    assert health().recent(T0_NS).clock_ahead_s is None


def test_losses_and_failures_are_counted() -> None:
    one = health()
    one.note_loss(NoticeKind.DATA_LOST, 5)
    one.note_loss(NoticeKind.DATA_REFUSED, 2)
    one.note_link(LinkChange("d", LinkState.UP, "", T0_NS))
    down = LinkChange("d", LinkState.DOWN, "no answer", T0_NS + S)
    one.note_link(down)
    assert (one.lost, one.refused, one.ups, one.downs, one.failure) == (5, 2, 1, 1, down)


def test_an_inbox_counts_what_passes() -> None:
    one, now_ns = health(), T0_NS + S
    inbox = DeviceInbox(
        "r1",
        Kind.UWB_READER,
        Inbox(),
        cards=IdTable(),
        anchors=IdTable(("A1",)),
        readers=IdTable(),
        extent=Extent(0.0, 0.0, 1.0, 1.0),
        clock_tolerance_ns=5 * S,
        now_ns=lambda: now_ns,
        health=one,
    )
    inbox.heard()
    inbox.answered(0.2, now_ns + 2 * S)
    columns = {
        "t_us": [now_ns // 1000] * 3,
        "card": ["1", "2", "3"],
        "anchor": ["A1", "A1", "unknown"],
        "range_m": [4.0, 5.0, 6.0],
    }
    arrays = {name: np.array(column) for name, column in columns.items()}
    inbox.records(RecordBatch("r1", arrays, now_ns, None))
    inbox.link(LinkState.DOWN, "no answer")
    assert (one.heard_ns, one.records, one.refused, one.downs) == (now_ns, 2, 1, 1)
    later = one.recent(now_ns + S)
    assert later.round_trip_mean_s == 0.2
    assert later.clock_ahead_s == pytest.approx(2.1)
    inbox.retire()
    inbox.records(RecordBatch("r1", arrays, now_ns, None))
    assert one.records == 2


async def test_a_client_is_told_how_each_device_does(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        one = rig.health.begin("shearer-1", "modbus tcp 10.0.0.5:502 unit 1", T0_NS)
        one.note_heard(T0_NS + S)
        one.note_samples([sample("speed", 1.0), sample("state", None)], T0_NS + S)
        link = LinkChange("shearer-1", LinkState.DOWN, "no answer within 1 s", T0_NS + 2 * S)
        one.note_link(link)
        rig.tell(link)
        answer = await rig.equipment().ListDevices(equipment_pb2.ListDevicesRequest())
        first, second = answer.devices
        assert (first.device_id, first.profile, first.name) == ("shearer-1", "shearer", "No. 1")
        assert first.address == "modbus tcp 10.0.0.5:502 unit 1"
        assert (first.value_count, first.bad_value_count, first.down_count) == (2, 1, 1)
        assert first.heard_time.ToNanoseconds() == first.good_time.ToNanoseconds() == T0_NS + S
        assert first.link_state == equipment_pb2.LINK_STATE_DOWN
        assert first.last_failure == first.link_reason == "no answer within 1 s"
        assert answer.time.ToNanoseconds() > 0
        # One that is not read yet is listed, with nothing known of it.
        assert second.link_state == equipment_pb2.LINK_STATE_CONNECTING
        assert not second.HasField("heard_time")
        assert not second.HasField("round_trip_mean_s")


async def test_devices_are_a_table_and_why_one_is_down_a_sentence(tmp_path: Path) -> None:
    now_ns = T0_NS + 100 * S
    async with served(tmp_path, now_ns=lambda: now_ns) as rig:
        one = rig.health.begin("shearer-1", "modbus tcp 10.0.0.5:502 unit 1", now_ns - 60 * S)
        one.note_answer(0.0125, now_ns - 2 * S)
        link = LinkChange("shearer-1", LinkState.DOWN, "no answer; check\nit", now_ns - 9 * S)
        rig.tell(link)
        address = f"127.0.0.1:{rig.port}"
        status, out = await asyncio.to_thread(run, address)
        header, first, second, reason = out.splitlines()
        assert status == 0
        assert header.split()[:3] == ["device", "profile", "link"]
        assert first.split()[:3] == ["shearer-1", "shearer", "down"]
        assert first.split()[7:9] == ["12.5", "12.5"]
        assert second.split()[2:5] == ["connecting", "-", "-"]
        assert reason == "shearer-1: no answer; check\\nit"
        _, out = await asyncio.to_thread(run, address, "--json")
        shown = json.loads(out)["devices"]
        assert [device["device"] for device in shown] == ["shearer-1", "shearer-2"]
        assert shown[0]["round_trip_max_s"] == 0.0125
        assert shown[0]["good_s_ago"] is None


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(devices)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout
