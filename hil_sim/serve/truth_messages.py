"""What is true, as messages of the simulator's contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from equipment.report import Value
from hil_sim.incidents import DISTRESS, LOW_BATTERY
from hil_sim.serve.fault_messages import fault_message, timestamp
from hil_sim.simulation import Simulation, Snapshot
from lamproom.sim.v1 import simulator_pb2 as pb


def pace_message(simulation: Simulation) -> pb.Pace:
    """How the world's time goes now."""
    pace = simulation.pace
    return pb.Pace(
        device_time=timestamp(simulation.now_t_ns()),
        world_s=pace.world_s,
        speed=pace.speed,
        paused=pace.stands,
    )


def truth_message(
    snapshot: Snapshot, cards: Sequence[str], *, with_cards: bool = True, machines: bool = True
) -> pb.Truth:
    """What is true after a step; `cards` in the order of the world's people."""
    return pb.Truth(
        device_time=timestamp(snapshot.t_ns),
        world_s=snapshot.world_s,
        cards=_cards(snapshot, cards) if with_cards else (),
        machines=_machines(snapshot) if machines else (),
        faults=[fault_message(one) for one in snapshot.faults],
    )


def _cards(snapshot: Snapshot, cards: Sequence[str]) -> Iterator[pb.CardTruth]:
    columns = snapshot.people.place_m.tolist(), snapshot.people.below.tolist()
    for card, (x_m, y_m, z_m), below, flags in zip(
        cards, *columns, snapshot.flags.tolist(), strict=True
    ):
        yield pb.CardTruth(
            card=card,
            below=below,
            x_m=x_m,
            y_m=y_m,
            z_m=z_m,
            distress=bool(flags & DISTRESS),
            battery_low=bool(flags & LOW_BATTERY),
        )


def _machines(snapshot: Snapshot) -> Iterator[pb.MachineTruth]:
    for device, values in snapshot.values.items():
        points = [_point(name, value) for name, value in values.items()]
        yield pb.MachineTruth(device_id=device, points=points)


def _point(name: str, value: Value) -> pb.PointTruth:
    if isinstance(value, bool):
        return pb.PointTruth(point=name, flag=value)
    if isinstance(value, str):
        return pb.PointTruth(point=name, text=value)
    return pb.PointTruth(point=name, number=value)
