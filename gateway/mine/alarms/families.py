"""The alarm families: what each is about, and when it begins and ends, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Category(StrEnum):
    """What kind of trouble it is: who is to look after it."""

    PEOPLE = "people"  # someone is in need, or where they should not be
    ORDER = "order"  # too many, too long: quotas and hours
    ENVIRONMENT = "environment"  # gas, water, temperature
    EQUIPMENT = "equipment"  # cards, readers and machines


@dataclass(frozen=True, slots=True)
class Family:
    """`zh` is what operators see in Chinese; `begins` and `ends` complete "is raised when …"."""

    zh: str
    category: Category
    begins: str
    ends: str


#: Families that more than one part of the core asks for by name.
SIGNAL_LOST: Final = "signal_lost"
DEVICE_DOWN: Final = "device_down"
DISTRESS: Final = "distress"
#: Families whose end an operator says: a button may be stuck, or out of reach of all readers.
ENDED_BY_OPERATORS: Final = frozenset({DISTRESS})

FAMILIES: Final[Mapping[str, Family]] = {
    "distress": Family(
        "求救",
        Category.PEOPLE,
        "the button of a card is pressed, were it only for a moment",
        "the card takes it back, or an operator resets it",
    ),
    "restricted_entry": Family(
        "进入限制区域", Category.PEOPLE, "anyone is in a restricted zone", "they are out of it"
    ),
    "unauthorised_entry": Family(
        "未授权进入准入区域",
        Category.PEOPLE,
        "someone is in a controlled zone that people.csv does not allow them",
        "they are out of it",
    ),
    "danger_proximity": Family(
        "临近危险区域",
        Category.PEOPLE,
        "a person is in a danger zone, or nearer to it than its near_m, in the fence of a machine "
        "that runs, or near a vehicle that drives",
        "they are away from it, it stands still, or they move with it",
    ),
    "out_of_boundary": Family(
        "超层越界",
        Category.PEOPLE,
        "a person is outside of all licence zones or their heights, and not at a wellhead, or a "
        "machine cuts outside of them",
        "they are inside of one",
    ),
    "overcrowded": Family(
        "超员",
        Category.ORDER,
        "more people are below, or in a zone, than the quota allows",
        "the quota is kept",
    ),
    "overtime": Family(
        "超时",
        Category.ORDER,
        "a person is below, or in a zone, for longer than allowed",
        "they have left",
    ),
    SIGNAL_LOST: Family(
        "信号丢失",
        Category.PEOPLE,
        "nothing is heard of a card that is below; its last place stands",
        "it is heard again",
    ),
    "unknown_card": Family(
        "未知标识卡",
        Category.EQUIPMENT,
        "a card is heard that is not in people.csv, or one is below that is issued to nobody",
        "it is issued to someone, or in people.csv when that is read again",
    ),
    "dual_card": Family(
        "一人多卡",
        Category.ORDER,
        "two cards have moved as one for long: one person carries both",
        "they are apart, or out of the mine",
    ),
    "duplicate_card": Family(
        "卡号重复",
        Category.EQUIPMENT,
        "a card is heard in two places, farther apart than anyone gets in the time between",
        "it is heard in one place only",
    ),
    "clock_skew": Family(
        "设备时钟偏差",
        Category.EQUIPMENT,
        "a device's clock is off by more than clock_tolerance_s",
        "it is right again",
    ),
    "low_battery": Family(
        "标识卡电量低",
        Category.EQUIPMENT,
        "a card says that its battery is low",
        "it says so no more",
    ),
    DEVICE_DOWN: Family(
        "设备离线", Category.EQUIPMENT, "a reader or a machine is not heard", "it is heard again"
    ),
    "journal_failing": Family(
        "日志存储故障",
        Category.EQUIPMENT,
        "the gateway's journal can't be written, was deleted, or has less room than reserve_mb",
        "it can be written again",
    ),
    "route_deviation": Family(
        "特种作业人员路线异常",
        Category.ORDER,
        "a special worker who is below was not in a zone of the planned route in its time",
        "they are at a stop of the route in time, or out of the mine",
    ),
    "limit_exceeded": Family(
        "超限",
        Category.ENVIRONMENT,
        "a value is beyond a limit of limits.toml or of its profile",
        "it is good again",
    ),
    "machine_fault": Family(
        "设备故障",
        Category.EQUIPMENT,
        "a value says that a machine has a fault, by limits.toml or its profile",
        "it says so no more",
    ),
    "overspeed": Family(
        "超速",
        Category.ORDER,
        "a vehicle is faster than its roadway's speed_max_m_s",
        "it is slower than nine tenths of that",
    ),
    "section_occupied": Family(
        "区段占用",
        Category.ORDER,
        "a second vehicle is in a section",
        "it is alone there, or nobody is",
    ),
    "vehicle_proximity": Family(
        "车辆接近",
        Category.PEOPLE,
        "two vehicles, of which one drives, are too near to one another along the roadways",
        "they are away from one another, both stand, or they move together",
    ),
    "machine_uncertain": Family(
        "设备位置或状态不明",
        Category.EQUIPMENT,
        "where a machine of machines.toml is, or whether it runs, is not known any more; its fence "
        "stands all the same",
        "it is known again",
    ),
    "hazard_overdue": Family(
        "隐患逾期",
        Category.ORDER,
        "a hazard is not mended in its time",
        "it is mended, or has more time",
    ),
}
