"""The configurations that a reload brings: the same mine, in which much is otherwise.

Whatever holds on to the old one then says other things than what has started with the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.mine.machines.plan import FloodRule, Machine
from gateway.mine.plan import Holder, MinePlan
from gateway.mine.prevention.plan import PreventionPlan, RiskWeights
from gateway.soak.plan import Kind, SoakSettings, map_of, risk_points
from hil_sim.sample_map import rectangle

#: What quotas allow then, where borders lie, and how near is too near.
OTHER_QUOTA_SHARE: Final = 0.35
OTHER_SUBSTATION: Final = (215, -5, 262, 5)
OTHER_NEAR_M: Final = 9.0
OTHER_PERSON_M: Final = 18.0
#: Then every so manyth person is on the roster no more, and another may enter what they may not.
GONE_EVERY: Final = 37

#: Alarms come up, are over and are passed on at other times.
OTHER_LOST_S: Final = 9.0
OTHER_DOWN_S: Final = 9.0
OTHER_ESCALATED_S: Final = 40.0
OTHER_GAS: Final = 0.9
OTHER_CREW: Final = frozenset({"team 2"})
#: Farther than surveys differ, and nearer than a fix shows.
OTHER_ANCHOR: Final = "A001"
OTHER_ANCHOR_M: Final = 0.03
#: Past shifts are forgotten earlier, risk is weighed otherwise, and a flood is fewer alarms.
OTHER_KEPT: Final = 2
OTHER_WEIGHTS: Final = RiskWeights(
    hazard=(30.0, 25.0, 9.0, 4.0), machine=11.0, person=0.7, half_life_s=900.0, deadband=1.0
)
OTHER_FLOOD: Final = FloodRule(count=3, window_s=25.0)


def other_plans(settings: SoakSettings, plan: MinePlan) -> tuple[MinePlan, MinePlan]:
    """The configurations after `plan`: one with another map and roster; then also other rules."""
    rules = dict(plan.rules)
    rules["out_of_boundary"] = replace(rules["out_of_boundary"], after_s=5.0, level=2)
    first = replace(
        plan,
        map=map_of(settings, OTHER_QUOTA_SHARE, _change),
        rules=rules,
        holders=_other_holders(settings, plan.holders or {}),
        people_quota=max(1, round(settings.people * OTHER_QUOTA_SHARE)),
        near=replace(plan.near, person_vehicle_m=OTHER_PERSON_M),
        machines=tuple(_renamed(machine) for machine in plan.machines),
        attendance=replace(plan.attendance, shifts_kept=OTHER_KEPT),
        prevention=PreventionPlan(risk_points(3), weights=OTHER_WEIGHTS),
        configuration="b",
    )
    return first, _stricter(first)


def _stricter(plan: MinePlan) -> MinePlan:
    rules = plan.rules
    others = {
        "signal_lost": replace(
            rules["signal_lost"], after_s=OTHER_LOST_S, level=1, suppressed_by=()
        ),
        "device_down": replace(rules["device_down"], after_s=OTHER_DOWN_S),
        "distress": replace(rules["distress"], escalate_after_s=OTHER_ESCALATED_S),
        "restricted_entry": replace(rules["restricted_entry"], latch=True),
    }
    return replace(
        plan,
        rules={**rules, **others},
        limits=tuple(
            replace(one, above=OTHER_GAS, level=1, muster=("face_3101",)) if one.above else one
            for one in plan.limits
        ),
        flood=OTHER_FLOOD,
        prevention=PreventionPlan(risk_points(3, gas="heading_3105"), weights=OTHER_WEIGHTS),
        configuration="c",
    )


def _change(one: dict[str, Any]) -> None:
    """Borders lie elsewhere, zones have other names, and an anchor was surveyed anew."""
    properties = one["properties"]
    if properties["kind"] == "anchor" and properties["id"] == OTHER_ANCHOR:
        one["geometry"]["coordinates"][0] += OTHER_ANCHOR_M
    if properties["kind"] != "zone":
        return
    properties["name"] += " (new)"
    if properties["zone"] == "danger":
        properties["near_m"] = OTHER_NEAR_M
    if properties["id"] == "substation":
        one["geometry"]["coordinates"] = rectangle(*OTHER_SUBSTATION)


def _renamed(machine: Machine) -> Machine:
    return replace(
        machine, name=f"{machine.name} (new)", crew=OTHER_CREW if machine.crew else machine.crew
    )


def _other_holders(settings: SoakSettings, holders: Mapping[str, Holder]) -> dict[str, Holder]:
    """Some are on the roster no more, some are new, and some may go elsewhere."""
    changed = dict(holders)
    for number, (card, kind) in enumerate(
        zip(settings.cards, settings.kinds.tolist(), strict=True)
    ):
        if kind == Kind.STRANGE:
            changed[card] = Holder(f"holder {number}", "team 0")
        elif kind == Kind.PERSON and number % GONE_EVERY == 1:
            del changed[card]
        elif kind == Kind.PERSON and number % GONE_EVERY == 2:
            changed[card] = replace(holders[card], zones=frozenset())
    return changed
