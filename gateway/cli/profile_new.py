"""Files to begin a profile from (pure)."""

from __future__ import annotations

import re
from typing import Final

_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

_TOP: Final = """\
# What this is modelled on: name the maker's manual and its revision.
id = "ID"
title = { en = "New device", zh = "新设备" }
kind = "machine"
"""

_MODBUS: Final = """\
protocol = "modbus"
# So many addresses that nobody asked for may be read along; 0 where the device refuses that.
gap = 16

# Every 0.5 s; down after 5 s without an answer.
[scan]
period_s = 0.5
silence_s = 5.0

# What goes with a machine of this type in machines.toml, where the mine says only its place.
[machine]
kind = "other"
fence = { radius_m = 3.0 }
active = { point = "running_state", unlike = "stopped" }

# 40011 of a manual is address 10 of "holding", 30011 is address 10 of "input".
[[point]]
name = "pressure"
meaning = { en = "outlet pressure", zh = "出口压力" }
table = "holding"
address = 10
type = "uint16"
scale = 0.01
unit = "MPa"
# What lies outside is BAD and has no value.
range = [0.0, 60.0]
# What is not good, unless the mine's limits.toml says something else of this point.
limit = [{ above = 40.0, deadband = 1.0, level = 3 }]

[[point]]
name = "running_state"
meaning = { en = "running state", zh = "运行状态" }
table = "holding"
address = 11
type = "uint16"
states = { 0 = "stopped", 1 = "running", 2 = "fault" }
limit = [{ equals = "fault", fault = true }]

# Bit 3 of a status word.
[[point]]
name = "remote_control"
meaning = { en = "steered by remote control", zh = "遥控操作" }
table = "holding"
address = 12
type = "bool"
bit = 3

# Four points of one form, two registers apart.
[[point]]
name = "temperature_{n}"
meaning = { en = "temperature of bearing {n}", zh = "{n}号轴承温度" }
table = "input"
address = 20
type = "float32"
unit = "degC"
range = [-40.0, 150.0]
repeat = { count = 4, step = 2 }
"""

_ETHERNETIP: Final = """\
protocol = "ethernetip"

# Every 0.5 s; down after 5 s without an answer.
[scan]
period_s = 0.5
silence_s = 5.0

# What goes with a machine of this type in machines.toml, where the mine says only its place.
[machine]
kind = "other"
fence = { radius_m = 3.0 }
active = { point = "running_state", unlike = "stopped" }

# As the controller's software writes it: Tag, Array[3], Tag.Member, Program:Main.Tag. Which type of
# number it is the controller says.
[[point]]
name = "pressure"
meaning = { en = "outlet pressure", zh = "出口压力" }
tag = "Pump.Pressure"
unit = "MPa"
# What lies outside is BAD and has no value.
range = [0.0, 60.0]
# What is not good, unless the mine's limits.toml says something else of this point.
limit = [{ above = 40.0, deadband = 1.0, level = 3 }]

[[point]]
name = "running_state"
meaning = { en = "running state", zh = "运行状态" }
tag = "Pump.State"
states = { 0 = "stopped", 1 = "running", 2 = "fault" }
limit = [{ equals = "fault", fault = true }]

# Bit 3 of a status word. Without the bit: a tag of type BOOL, or an element of an array of BOOL.
[[point]]
name = "remote_control"
meaning = { en = "steered by remote control", zh = "遥控操作" }
tag = "Pump.Flags.3"
type = "bool"

[[point]]
name = "serial_number"
meaning = { en = "serial number", zh = "出厂编号" }
tag = "Program:Main.SerialNumber"
type = "text"

# Four points of one form.
[[point]]
name = "temperature_{n}"
meaning = { en = "temperature of bearing {n}", zh = "{n}号轴承温度" }
tag = "Pump.Bearing[{n}].Temperature"
unit = "degC"
range = [-40.0, 150.0]
repeat = { count = 4, first = 0 }
"""

_LLRP: Final = """\
# What this is modelled on: name the maker's manual and its revision.
id = "ID"
title = { en = "New RFID reader", zh = "新 RFID 读写器" }
kind = "rfid_reader"
protocol = "llrp"

# The gateway gives the reader one ROSpec of its own, or none (rospec = "existing" in devices.toml).
# Asked every 2.5 s whether it works; down after 10 s without an answer.
[scan]
silence_s = 10.0

# The card is in the last bytes of a tag's EPC: as hexadecimal digits ("hex", at most 9 bytes), as
# one number ("decimal", at most 7) or as letters ("text", at most 18). Cards have to differ there,
# and be written as people.csv has them, which knows digits only.
[epc]
form = "decimal"
last_bytes = 5
# So many digits at least, with zeros ahead.
digits = 12

# Which side of a gate an antenna looks to, by its number: 1 ahead, in the direction of the reader's
# `heading_deg` on the map, 2 behind. Without [sides] the gate does not say who goes which way.
[sides]
1 = 1
2 = 2
"""

_MQTT: Final = """\
protocol = "mqtt"
# JSON, or Sparkplug B ("sparkplug"): then points have a metric, and no topic and pointer.
format = "json"
# When a message was made, by the device's clock.
time = { pointer = "/ts", unit = "ms" }

# It publishes by itself; down after 15 s without a message.
[scan]
silence_s = 15.0

# What goes with a machine of this type in machines.toml, where the mine says only its place.
[machine]
kind = "other"
fence = { radius_m = 3.0 }
active = { point = "running_state", unlike = "stopped" }

# {"ts": 1718000000000, "data": {"pressure": 31.5, "state": 1}} at the device's own topic.
[[point]]
name = "pressure"
meaning = { en = "outlet pressure", zh = "出口压力" }
pointer = "/data/pressure"
unit = "MPa"
# What lies outside is BAD and has no value.
range = [0.0, 60.0]
# What is not good, unless the mine's limits.toml says something else of this point.
limit = [{ above = 40.0, deadband = 1.0, level = 3 }]

[[point]]
name = "running_state"
meaning = { en = "running state", zh = "运行状态" }
pointer = "/data/state"
states = { 0 = "stopped", 1 = "running", 2 = "fault" }
limit = [{ equals = "fault", fault = true }]

# {"ts": 1718000000000, "values": [40.1]} at the device's topic with /motor/1 behind it.
[[point]]
name = "motor_temperature"
meaning = { en = "motor temperature", zh = "电机温度" }
topic = "motor/1"
pointer = "/values/0"
unit = "degC"
range = [-40.0, 200.0]

[[point]]
name = "serial_number"
meaning = { en = "serial number", zh = "出厂编号" }
pointer = "/serial"
type = "text"
"""

_OPCUA: Final = """\
protocol = "opcua"

# Told of every 0.5 s where it changes; down after 10 s without a sign of life.
[scan]
period_s = 0.5
silence_s = 10.0

# Prefixes of the paths. Namespaces are known by their URI, for servers number them as they like.
[namespaces]
di = "http://opcfoundation.org/UA/DI/"
maker = "urn:maker:device"

# What goes with a machine of this type in machines.toml, where the mine says only its place.
[machine]
kind = "other"
fence = { radius_m = 3.0 }
active = { point = "running_state", unlike = "stopped" }

# From the device's `root` in devices.toml.
[[point]]
name = "pressure"
meaning = { en = "outlet pressure", zh = "出口压力" }
path = "di:ParameterSet/maker:Pressure"
unit = "MPa"
# What lies outside is BAD and has no value.
range = [0.0, 60.0]
# What is not good, unless the mine's limits.toml says something else of this point.
limit = [{ above = 40.0, deadband = 1.0, level = 3 }]

# An enumeration is a number with states.
[[point]]
name = "running_state"
meaning = { en = "running state", zh = "运行状态" }
path = "di:ParameterSet/maker:RunningState"
states = { 0 = "stopped", 1 = "running", 2 = "fault" }
limit = [{ equals = "fault", fault = true }]

[[point]]
name = "serial_number"
meaning = { en = "serial number", zh = "出厂编号" }
path = "di:SerialNumber"
type = "text"

# Four points of one form.
[[point]]
name = "temperature_{n}"
meaning = { en = "temperature of bearing {n}", zh = "{n}号轴承温度" }
path = "di:ParameterSet/maker:Temperature{n}"
unit = "degC"
range = [-40.0, 150.0]
repeat = { count = 4 }
"""

_TEXT: Final = """\
protocol = "text"
# A longer line is refused; lines that begin so are a sign of life and no more.
line_bytes = 256
ignore = ["#VER"]

# It sends by itself; down after 5 s without a line that can be read.
[scan]
period_s = 1.0
silence_s = 5.0

# What goes with a machine of this type in machines.toml, where the mine says only its place.
[machine]
kind = "other"
fence = { radius_m = 3.0 }
active = { point = "running_state", unlike = "stopped" }

# $PUMP,1,31.5,Z7,40.1,40.3,41.0,39.8*74 : eight fields, and the xor of all after the $.
[[line]]
name = "values"
starts_with = "$PUMP,"
separator = ","
width = 8
checksum = { kind = "xor", mark = "*", first = 1 }

# Fields count from 0, which is $PUMP here.
[[point]]
name = "running_state"
meaning = { en = "running state", zh = "运行状态" }
at = 1
states = { 0 = "stopped", 1 = "running", 2 = "fault" }
limit = [{ equals = "fault", fault = true }]

[[point]]
name = "pressure"
meaning = { en = "outlet pressure", zh = "出口压力" }
at = 2
unit = "MPa"
# What the device writes where it has no value.
none = "-"
# What lies outside is BAD and has no value.
range = [0.0, 60.0]
# What is not good, unless the mine's limits.toml says something else of this point.
limit = [{ above = 40.0, deadband = 1.0, level = 3 }]

[[point]]
name = "serial_number"
meaning = { en = "serial number", zh = "出厂编号" }
at = 3
type = "text"

# Four points of one form, one field after the other.
[[point]]
name = "temperature_{n}"
meaning = { en = "temperature of bearing {n}", zh = "{n}号轴承温度" }
at = 4
unit = "degC"
range = [-40.0, 150.0]
repeat = { count = 4 }
"""

#: A short example for each protocol; `ID` in it is the profile's id.
TEMPLATES: Final = {
    "ethernetip": _TOP + _ETHERNETIP,
    "llrp": _LLRP,
    "modbus": _TOP + _MODBUS,
    "mqtt": _TOP + _MQTT,
    "opcua": _TOP + _OPCUA,
    "text": _TOP + _TEXT,
}


def is_id(text: str) -> bool:
    """Whether a profile can be called so."""
    return _ID.fullmatch(text) is not None


def begun_from(other: str, text: str, profile_id: str) -> str:
    """The file `text` of the profile `other` as one with another id."""
    renamed = re.sub(r'(?m)^id\s*=\s*"[^"\n]*"', f'id = "{profile_id}"', text, count=1)
    return f"# Begun from the profile {other}, of which its notes speak.\n#\n{renamed}"
