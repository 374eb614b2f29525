"""The rules of the sample mine: machines with fences, limits of values, risk points."""

from __future__ import annotations

from typing import Final

from hil_sim.sample_people import TEAMS

#: (team of the shearer's or the roadheader's crew, text of the machine without its crew).
_MACHINES: Final = (
    (
        "综采一队",
        """\
[[machine]]
id = "shearer_3101"
name = "3101采煤机"
kind = "shearer"
{crew}
[machine.along]
device = "shearer_3101"
point = "position"
roadway = "face_3101"
[machine.fence]
radius_m = 4.0
ahead_m = 8.0
behind_m = 8.0
[machine.active]
device = "shearer_3101"
point = "running_state"
unlike = "stopped"
""",
    ),
    (
        "综采二队",
        """\
[[machine]]
id = "shearer_3103"
name = "3103采煤机"
kind = "shearer"
{crew}
[machine.along]
device = "shearer_3103"
point = "position"
roadway = "face_3103"
[machine.fence]
radius_m = 4.0
ahead_m = 8.0
behind_m = 8.0
[machine.active]
device = "shearer_3103"
point = "driving_direction"
unlike = "stopped"
""",
    ),
    (
        "掘进一队",
        """\
[[machine]]
id = "roadheader_3105"
name = "3105掘进机"
kind = "roadheader"
{crew}
[machine.along]
device = "roadheader_3105"
point = "advance"
roadway = "heading_3105"
[machine.fence]
radius_m = 4.0
ahead_m = 4.0
behind_m = 10.0
[machine.active]
device = "roadheader_3105"
point = "running_state"
unlike = "stopped"
""",
    ),
)

LIMITS_TEXT: Final = """\
# Which values are too much. A value that can't be had raises nothing: then the device is down.

[[limit]]
id = "methane_3101"
name = "3101工作面瓦斯超限"
device = "gas_3101"
point = "methane"
above = 1.0
deadband = 0.2
level = 2
zone = "face_3101"

# People must leave the face: a muster is opened.
[[limit]]
id = "methane_3101_withdraw"
name = "3101工作面瓦斯超限撤人"
device = "gas_3101"
point = "methane"
above = 1.5
deadband = 0.5
level = 1
zone = "face_3101"
muster = ["face_3101"]

[[limit]]
id = "carbon_monoxide_3101"
name = "3101工作面一氧化碳超限"
device = "gas_3101"
point = "carbon_monoxide"
above = 24.0
deadband = 4.0
zone = "face_3101"

[[limit]]
id = "shearer_3101_stopped"
name = "3101采煤机急停"
device = "shearer_3101"
point = "emergency_stop"
equals = true
fault = true
zone = "face_3101"

[[limit]]
id = "roadheader_3105_oil"
name = "3105掘进机油温过高"
device = "roadheader_3105"
point = "oil_temperature"
above = 80.0
deadband = 5.0
fault = true
level = 3
zone = "heading_3105"
"""

RISK_POINTS_TEXT: Final = """\
# What may go wrong where, and who answers for it.

[[risk_point]]
id = "gas_3101"
name = "3101工作面瓦斯积聚"
level = 1
owner = "通风队"
zone = "face_3101"
device = "gas_3101"

[[risk_point]]
id = "drum_3101"
name = "3101采煤机滚筒伤人"
level = 2
owner = "综采一队"
zone = "face_3101"
device = "shearer_3101"

[[risk_point]]
id = "drum_3103"
name = "3103采煤机滚筒伤人"
level = 2
owner = "综采二队"
zone = "face_3103"
device = "shearer_3103"

[[risk_point]]
id = "roof_3105"
name = "3105掘进工作面顶板"
level = 2
owner = "掘进一队"
zone = "heading_3105"
device = "roadheader_3105"

[[risk_point]]
id = "goaf"
name = "旧巷积水积气"
level = 2
owner = "通风队"
zone = "old_stub"

[[risk_point]]
id = "electricity"
name = "变电所触电"
level = 3
owner = "机电队"
zone = "substation"
"""


def machines_text(people: int) -> str:
    """A `machines.toml`; a mine of so few `people` that a team has nobody names it as no crew."""
    teams = {team for team, _ in TEAMS[:people]}
    parts = [
        "# Where machines are, and the fences that move with them. Their crew may be inside.\n"
    ]
    for team, text in _MACHINES:
        crew = f'crew = ["{team}"]\n' if team in teams else ""
        parts.append(text.replace("{crew}\n", crew))
    return "\n".join(parts)
