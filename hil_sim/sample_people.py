"""Made-up people of the sample mine: cards, names, jobs, teams and roles, by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

#: Family names, and characters of given names, that are common in China.
FAMILY: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
    "苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史"
)
GIVEN: Final = (
    "伟强军磊涛超勇杰鹏斌辉刚波健亮飞龙建国志明海永文华平成林峰东宏庆春兴旺福贵德胜利"
    "金生玉民保卫全忠学义根柱山河立新友良凯旭晨阳浩宇"
)

#: How the characters above are read, in their order.
_READINGS: Final = (
    "wang li zhang liu chen yang zhao huang zhou wu xu sun hu zhu gao lin he guo ma luo liang song "
    "zheng xie han tang feng yu dong xiao cheng cao yuan deng xu fu shen zeng peng lü su lu jiang "
    "cai jia ding wei xue ye yan yu pan du dai xia zhong wang tian ren jiang fan fang shi yao tan "
    "liao zou xiong jin lu hao kong bai cui kang mao qiu qin jiang shi wei qiang jun lei tao chao "
    "yong jie peng bin hui gang bo jian liang fei long jian guo zhi ming hai yong wen hua ping "
    "cheng lin feng dong hong qing chun xing wang fu gui de sheng li jin sheng yu min bao wei quan "
    "zhong xue yi gen zhu shan he li xin you liang kai xu chen yang hao yu"
)

#: Jobs that need a certificate for special work.
SPECIAL_JOBS: Final = (
    "采煤机司机", "掘进机司机", "绞车司机", "电工", "瓦斯检查员", "安全检查员",
)  # fmt: skip

#: Who leads a shift underground: the first of the roster, and each so many after.
LEADER_JOB: Final = "带班副矿长"
LEADER_EVERY: Final = 40

#: Teams in the order in which the simulated mine gives out workplaces, with their jobs.
TEAMS: Final = (
    ("综采一队", ("采煤机司机", "支架工", "刮板输送机司机", "班长", "瓦斯检查员")),
    ("综采二队", ("采煤机司机", "支架工", "刮板输送机司机", "班长", "瓦斯检查员")),
    ("掘进一队", ("掘进机司机", "锚杆支护工", "班长", "瓦斯检查员")),
    ("运输队", ("带式输送机司机", "信号把钩工", "绞车司机")),
    ("机电队", ("电工", "水泵工", "机修工")),
    ("巷修队", ("巷修工", "安全检查员")),
    ("通风队", ("通风工", "瓦斯检查员", "安全检查员")),
)

#: Vehicles that carry a card, after all people: names, and what they do.
VEHICLES: Final = (("1号防爆胶轮车", "材料运输"), ("2号防爆胶轮车", "人员运输"))
VEHICLE_TEAM: Final = "运输队"


def people_text(
    mine_code: str,
    people: int,
    seed: int,
    *,
    teams: Sequence[tuple[str, Sequence[str]]] = TEAMS,
    vehicles: Sequence[tuple[str, str]] = VEHICLES,
) -> str:
    """A `people.csv` of `people` lines and the vehicles; a card is the mine's code and five digits.

    Nothing is said of a person's `kind`, as it may be.
    """
    rng = random.Random(seed)
    lines = ["card,name,job,team,pinyin,leader,special,kind"]
    for number in range(1, people + 1):
        given = "".join(rng.sample(GIVEN, rng.choice((1, 2, 2))))
        team, jobs = teams[(number - 1) % len(teams)]
        family = rng.choice(FAMILY)
        job = rng.choice(jobs)
        leads = number % LEADER_EVERY == 1
        if leads:
            job = LEADER_JOB
        roles = f"{'yes' if leads else ''},{'yes' if job in SPECIAL_JOBS else ''},"
        card, pinyin = f"{mine_code}{number:05d}", _pinyin(family, given)
        lines.append(f"{card},{family}{given},{job},{team},{pinyin},{roles}")
    for number, (name, job) in enumerate(vehicles, start=people + 1):
        lines.append(f"{mine_code}{number:05d},{name},{job},{VEHICLE_TEAM},,,,vehicle")
    return "\n".join(lines) + "\n"


def _pinyin(family: str, given: str) -> str:
    """`Wang Jianguo` for 王建国."""
    readings = dict(zip(FAMILY + GIVEN, _READINGS.split(), strict=True))
    rest = "".join(readings[character] for character in given)
    return f"{readings[family].title()} {rest.title()}"
