"""Profiles of lines: what is in one, and each mistake with its key."""

import pytest

from equipment.catalogue import parse_profile
from equipment.text_profile import TextProfile
from equipment.toml_source import ConfigurationError
from tests.protocols.text_profiles import KEYED, RANGE, profile, shipped

GROUPS = """
[[line]]
name = "all"
width = 2
groups = { first = 2, width = 2, count = 1 }
[[line.field]]
name = "card"
at = 0
type = "text"
[[line.field]]
name = "anchor"
at = 2
type = "text"
[[line.field]]
name = "range_m"
at = 3
type = "number"
"""

VALUES = """
[[line]]
name = "values"
width = 3
[[point]]
name = "gas_{n}"
meaning = { en = "gas {n}", zh = "瓦斯{n}" }
at = 1
unit = "%"
range = [0.0, 100.0]
repeat = { count = 2 }
"""


def test_a_point_can_be_repeated_along_a_line() -> None:
    points = profile(VALUES, "machine").point
    assert [(point.name, point.at) for point in points] == [("gas_1", 1), ("gas_2", 2)]


def test_points_without_a_line_are_of_the_only_one() -> None:
    made = profile(VALUES, "machine")
    assert made.points_of(made.line[0]) == made.point
    both = RANGE + VALUES.replace("at = 1", 'at = 1\nline = "values"')
    with pytest.raises(ConfigurationError, match="records are for readers, a machine has points"):
        profile(both, "machine")


def test_the_profiles_that_come_along_are_readers() -> None:
    for name, card in (("uwb_text", False), ("uwb_dwm1001", True)):
        made = shipped(name)
        assert made.needs_card is card
        assert [line.gives_records for line in made.line] == [True]
        assert TextProfile.model_validate(made.model_dump(exclude_none=True)) == made


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        (
            RANGE,
            'name = "anchor"',
            'name = "anker"',
            "line 'range': records of a uwb_reader need a",
        ),
        (RANGE, 'at = 3\ntype = "number"', 'at = 3\ntype = "text"', "none goes with numbers"),
        (
            RANGE,
            'at = 1\ntype = "text"',
            'at = 1\ntype = "integer"',
            "field 'card' of a uwb_reader",
        ),
        (
            RANGE,
            "at = 3",
            "at = 4",
            "field 'range_m': at 4 is beyond the fields that each line has",
        ),
        (RANGE, "at = 3", 'at = 3\nkey = "x"', "give either at (the number of the field, from 0)"),
        (RANGE, "at = 3\n", "", "give either at (the number of the field, from 0) or key"),
        (RANGE, "at = 3", "at = 3\nmodulo = 256", "modulo goes with 'sequence'"),
        (GROUPS, "at = 0", "at = 0\nmodulo = 256", "modulo goes with 'sequence'"),
        (RANGE, 'type = "text"', 'type = "text"\nscale = 2.0', "scale and offset go with numbers"),
        (RANGE, "at = 3", "at = 3\nscale = 0.0", "scale must not be 0"),
        (RANGE, "width = 4", "width = 4\nwidth_most = 3", "width_most must be at least width (4)"),
        (RANGE, "width = 4", 'width = 4\nseparator = "\\n"', "control characters but a tab"),
        (RANGE, 'name = "range_m"', 'name = "card"', "two fields have the name card"),
        (RANGE, "width = 4", "width = 4\ncard_of_device = true", "give one of them"),
        (RANGE, 'type = "text"', 'type = "time"', "unit of a 'time' must be one of: s, ms, us, ns"),
        (RANGE, 'type = "text"', 'type = "time"\nunit = "s"', "is the field 't_us' of type 'time'"),
        (RANGE, 'name = "card"', 'name = "sequence"', "'sequence' must be of type 'integer'"),
        (RANGE, "width = 4", "width = 4\nwidth_lest = 3", "unknown key"),
        (GROUPS, "first = 2", "first = 3", "first must be at most width (2)"),
        (GROUPS, "count = 1", "count = 2", "count must stand before the groups"),
        (GROUPS, "width = 2\n", "width = 2\nwidth_most = 3\n", ""),
        (GROUPS, ", count = 1", "", ""),
        (GROUPS, "width = 2\ng", "width = 3\ng", ""),
        (GROUPS, "first = 2, width = 2, count = 1", "first = 1, width = 2", "first must be width"),
        (GROUPS, "at = 3", "at = 4", "field 'range_m': at 4 is beyond the fields"),
        (GROUPS, "first = 2, width = 2", "first = 2, width = 9", ""),
        (GROUPS, "at = 2", "at = 1", ""),
        (GROUPS, "at = 0", 'key = "c"', "no field of the line can have a key"),
        (GROUPS, 'name = "card"\nat = 0', 'name = "card"\nat = 1', ""),
        (VALUES, "repeat", 'line = "value"\nrepeat', "point 'gas_1': there is no line 'value'"),
        (VALUES, "at = 1", "at = 2", "point 'gas_2': at 3 is beyond"),
        (VALUES, "at = 1", 'key = "g"', "repeat goes with at, not with key"),
        (VALUES, 'unit = "%"', 'type = "text"\nnone = ""', "none goes with numbers"),
        (VALUES, 'unit = "%"', 'type = "text"', "range go with numbers, not with type 'text'"),
    ],
)
def test_a_mistake_is_told(text: str, old: str, new: str, told: str) -> None:
    assert old in text
    kind = "machine" if text is VALUES else "uwb_reader"
    changed = text.replace(old, new, 1)
    if not told:
        profile(changed, kind)
        return
    with pytest.raises(ConfigurationError) as failed:
        profile(changed, kind)
    assert told in str(failed.value)


def test_kinds_of_lines_can_be_told_apart() -> None:
    shorter = RANGE.replace('"range"', '"other"').replace('"R,"', '"R"')
    profile(RANGE + shorter)
    with pytest.raises(ConfigurationError, match="what starts_with 'R,' is taken for 'other'"):
        profile(shorter + RANGE)
    with pytest.raises(ConfigurationError, match="two lines have the name range"):
        profile(RANGE + RANGE.replace('"R,"', '"S,"'))


def test_points_name_their_line_where_there_are_several() -> None:
    with pytest.raises(ConfigurationError, match="point 'x': line is needed where there are sev"):
        profile(KEYED + RANGE)
    named = KEYED.replace("key =", 'line = "position"\nkey =')
    made = profile(RANGE + named)
    assert made.points_of(made.line[0]) == ()
    assert made.points_of(made.line[1]) == made.point


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ('ignore = ["R"]', "ignore: 'R' would leave out all lines 'range'"),
        ("line_bytes = 8", "must be at least 16"),
        ('encoding = "utf8"', "must be 'ascii' or 'utf-8'"),
        ("point = []", ""),
    ],
)
def test_a_mistake_of_the_whole_is_told(head: str, told: str) -> None:
    made = 'id = "kit"\ntitle = { en = "Kit", zh = "套件" }\nkind = "uwb_reader"\n'
    whole = f'{made}protocol = "text"\n{head}\n{RANGE}'
    if not told:
        parse_profile(whole, "kit.toml")
        return
    with pytest.raises(ConfigurationError) as failed:
        parse_profile(whole, "kit.toml")
    assert told in str(failed.value)


def test_a_machine_needs_points_and_no_scan_classes() -> None:
    with pytest.raises(ConfigurationError, match=r"there is no \[\[point\]\]"):
        profile('[[line]]\nname = "a"\nwidth = 1\n', "machine")
    classes = VALUES.replace("[[line]]", "classes = { slow = 10.0 }\n[[line]]", 1)
    with pytest.raises(ConfigurationError, match="the device sends by itself"):
        profile(classes, "machine")
    point = VALUES.partition("width = 3\n")[2].replace("{ count = 2 }", "{ count = 1 }")
    with pytest.raises(ConfigurationError, match="at 2 is in a group, of which there are many"):
        profile(GROUPS + point.replace("at = 1", "at = 2"))
