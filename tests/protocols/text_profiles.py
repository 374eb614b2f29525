"""Profiles of lines for tests, and lines of the one that comes along."""

from equipment.catalogue import load, parse_profile
from equipment.text_profile import TextProfile

T_US = 1_764_500_000_000_000

HEAD = """
id = "kit"
title = { en = "Kit", zh = "套件" }
kind = "KIND"
protocol = "text"
[scan]
period_s = 0.01
silence_s = 60.0
"""

#: The fields of a range without a clock.
RANGE = """
[[line]]
name = "range"
starts_with = "R,"
width = 4
[[line.field]]
name = "card"
at = 1
type = "text"
[[line.field]]
name = "anchor"
at = 2
type = "text"
[[line.field]]
name = "range_m"
at = 3
type = "number"
none = "-"
"""

#: A module that says what it has as `key=value`, as Redpoint's do (see uwb_text.toml).
KEYED = """
[[line]]
name = "position"
starts_with = "#POS "
separator = " "
width = 4
width_most = 9
[[point]]
name = "x"
meaning = { en = "x", zh = "坐标x" }
key = "x"
scale = 0.001
unit = "m"
[[point]]
name = "quality"
meaning = { en = "figure of merit", zh = "质量" }
key = "fom"
none = ""
[[point]]
name = "options"
meaning = { en = "options", zh = "选项" }
key = "op"
type = "text"
"""


def profile(text: str, kind: str = "uwb_reader") -> TextProfile:
    """A profile of these lines."""
    made = parse_profile(HEAD.replace("KIND", kind) + text, "kit.toml")
    assert isinstance(made, TextProfile)
    return made


def shipped(name: str = "uwb_text") -> TextProfile:
    """One that comes along."""
    found = load(name)
    assert isinstance(found, TextProfile)
    return found


def summed(text: str) -> bytes:
    """`text` with the checksum of NMEA 0183, over all after its first letter."""
    xor = 0
    for byte in text[1:].encode():
        xor ^= byte
    return f"{text}*{xor:02X}".encode()


def range_line(number: int, range_mm: int = 8734, card: str = "14010000000100001") -> bytes:
    """A line of uwb_text, without its end."""
    t_us = T_US + 1000 * number
    return summed(f"#RNG,{number},{t_us},{card},A12,{range_mm},-78.4,,1")
