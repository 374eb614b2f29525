"""Runs a plant's faults against a real gateway, all at once, and judges what a client was told."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lamproom.v1 import equipment_pb2
from tests.support.ports import free_port
from tests.support.processes import READY_S, Process, lamproom, running
from tests.support.waiting import LONG_S, until
from tests.system.fault_client import Client, client
from tests.system.fault_plant import Case, Plant, together
from tests.system.fault_table import CELLS, Sign, Tried

#: A clock that is farther off than this is seen to be.
AHEAD_S = 4.0


@dataclass
class Outcome:
    """What came of it: for how long data were missing once a fault was over, and complaints."""

    back_s: dict[str, float] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


@dataclass
class _Trial:
    """A case and how things stood before."""

    case: Case
    signs: frozenset[Sign]
    before: equipment_pb2.DeviceHealth
    told_before: Counter[str]


async def run(protocol: str, plant: Plant, folder: Path) -> Outcome:
    """Causes each fault of the plant, waits for its signs, ends it, waits for the data."""
    mine, port = folder / "mine", free_port()
    plant.write(mine)
    with running(lamproom("run", mine, "--grpc-port", str(port)), folder, "gateway") as gateway:
        await ready(gateway)
        async with client(port, plant.numbers) as told:
            outcome = await _Run(protocol, plant, told).all()
            outcome.complaints += await _command_complaints(port, plant, folder)
    if "Traceback" in gateway.err:
        outcome.complaints.append(f"the gateway's own complaint: {gateway.err[-3000:]}")
    return outcome


async def ready(gateway: Process) -> None:
    """Waits until a gateway serves, while all else in this process goes on."""
    deadline_s = time.monotonic() + READY_S
    while "READY" not in gateway.out:
        assert gateway.popen.poll() is None, gateway.out + gateway.err
        assert time.monotonic() < deadline_s, "the gateway is not ready"
        await asyncio.sleep(0.05)


async def _command_complaints(port: int, plant: Plant, folder: Path) -> list[str]:
    """What `lamproom devices` does not show of what has happened."""
    command = lamproom("devices", f"127.0.0.1:{port}", "--json")
    with running(command, folder, "devices") as shown:
        await until(lambda: shown.popen.poll() is not None, "lamproom devices")
    rows = {row["device"]: row for row in json.loads(shown.out)["devices"]}
    complaints = []
    for device in (*plant.neighbours, *(case.device for case in plant.cases)):
        row = rows[device]
        if row["link"] != "up" or bool(row["downs"]) != bool(row["last_failure"]):
            complaints.append(f"lamproom devices: {row}")
    return complaints


class _Run:
    def __init__(self, protocol: str, plant: Plant, told: Client) -> None:
        self._cells = CELLS[protocol]
        self._plant = plant
        self._told = told
        self._outcome = Outcome()
        #: How all devices did before anything happened.
        self._before: dict[str, equipment_pb2.DeviceHealth] = {}
        self._points = frozenset(f"v{n}" for n in range(plant.points))

    async def all(self) -> Outcome:
        """See `run`."""
        cases, machines = self._plant.cases, self._plant.numbers
        await self._wait(
            lambda: (
                all(self._flows(one, 0.0) for one in machines)
                and all(self._told.health[c.device].record_count for c in cases if c.reads_records)
            ),
            "every device gives good values before anything happens",
        )
        trials = [self._trial(case) for case in cases]
        self._told.gap_s.clear()
        self._before = dict(self._told.health)
        await together([case.begin for case in cases])
        begun_s = time.time()
        await asyncio.gather(*(self._see(trial, begun_s) for trial in trials))
        lasting = [trial for trial in trials if not trial.case.is_momentary]
        await asyncio.gather(*(self._end(trial) for trial in lasting))
        self._judge_neighbours()
        self._outcome.complaints += self._told.truth.wrong[:20]
        print(f"{self._told.truth.judged} good values were judged")
        return self._outcome

    def _trial(self, case: Case) -> _Trial:
        cell = self._cells[case.fault]
        assert isinstance(cell, Tried), case.fault
        told = self._told
        return _Trial(case, cell.signs, told.health[case.device], Counter(told.told[case.device]))

    async def _wait(self, condition: Callable[[], object], what: str) -> bool:
        found = await self._told.until(condition, LONG_S)
        if not found:
            self._outcome.complaints.append(f"not within {LONG_S:g} s: {what}")
            print(self._outcome.complaints[-1])
        return found

    def _flows(self, device: str, since_s: float, missing: frozenset[str] = frozenset()) -> bool:
        """Whether all points, but for the missing ones, have good values from after `since_s`."""
        made_s = self._told.truth.made_s
        return all(made_s.get((device, point), 0.0) > since_s for point in self._points - missing)

    async def _see(self, trial: _Trial, begun_s: float) -> None:
        case = trial.case
        for sign in sorted(trial.signs, key=lambda sign: sign.value):
            seen = partial(self._is_seen, sign, trial)
            if await self._wait(seen, f"{case.device}: {sign.value}"):
                print(f"{case.device}: {sign.value} after {time.time() - begun_s:.1f} s")
        if case.missing:
            now_s = time.time()
            others = partial(self._flows, case.device, now_s, case.missing)
            await self._wait(others, f"{case.device}: the other values go on")
        health = self._told.health[case.device]
        print(f"{case.device}: {health.link_reason or health.last_failure or 'up'}")
        if case.is_momentary:
            await self._end(trial, begun_s)

    def _is_seen(self, sign: Sign, trial: _Trial) -> bool:
        device = trial.case.device
        now, before = self._told.health[device], trial.before
        told, told_before = self._told.told[device], trial.told_before

        def news(what: str) -> bool:
            return told[what] > told_before[what]

        match sign:
            case Sign.FELL:
                return now.down_count > before.down_count and bool(now.last_failure)
            case Sign.DOWN:
                return self._is_seen(Sign.FELL, trial) and news("device_down raised")
            case Sign.BAD:
                return now.bad_value_count > before.bad_value_count
            case Sign.REFUSED:
                return now.refused_count > before.refused_count and news("refused")
            case Sign.LOST:
                return now.lost_count > before.lost_count and news("lost")
            case Sign.AHEAD:
                return now.clock_ahead_s > AHEAD_S
            case Sign.SKEW:
                return news("clock_skew raised")

    async def _end(self, trial: _Trial, over_s: float | None = None) -> None:
        """Ends a fault; `over_s`: when that was, where it has ended by itself."""
        case, told = trial.case, self._told
        await case.end()
        ended_s = time.time()
        over_s = over_s or ended_s
        records = told.health[case.device].record_count

        def cleared() -> bool:
            now = told.told[case.device]
            return all(
                now[f"{rule} raised"] == now[f"{rule} cleared"]
                for rule in ("device_down", "clock_skew")
            )

        def back() -> bool:
            health = told.health[case.device]
            if health.link_state != equipment_pb2.LINK_STATE_UP:
                return False
            if case.reads_records:
                return health.record_count > records and cleared()
            return self._flows(case.device, ended_s)

        if await self._wait(back, f"{case.device}: back"):
            self._outcome.back_s[case.fault] = time.time() - over_s
            print(f"{case.device}: back after {time.time() - over_s:.1f} s")
        await self._wait(cleared, f"{case.device}: its alarms are cleared")

    def _judge_neighbours(self) -> None:
        for device in self._plant.neighbours:
            health, before = self._told.health[device], self._before[device]
            felt = {
                name: getattr(health, name) - getattr(before, name)
                for name in ("down_count", "bad_value_count", "lost_count", "refused_count")
            }
            told = self._told.told[device]["device_down raised"]
            if device in self._plant.beside and not told:
                felt["down_count"] = max(0, felt["down_count"] - 1)
            if any(felt.values()):
                why = f"{felt}, {health.last_failure}"
                self._outcome.complaints.append(f"{device}, which has no fault: {why}")
            gap_s = self._told.gap_s[device]
            print(f"{device}: at most {gap_s:.2f} s without a value")
