"""Every mistake in a TOML file is told with its line and key."""

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from equipment.toml_source import (
    ConfigurationError,
    Mistake,
    TomlSource,
    known_keys,
    mistakes_of,
    parse_toml,
    suggest,
)

TEXT = '''# the station's clock
id = "x"  # don't look for a string here
title = { en = "a # b", zh = 'c' }

text = """
[not_a_table]
fake = 1
it's "quoted"
"""
letters = \'\'\'
it's [no] key = 1
\'\'\'
[scan] # it's a table
period_s = 1
list = [
  "a]",   # don't
  1,
]
after = 2
[[point]]
name = "a"
[[point]]
name = "b#"
[point.sub]
k = 1
[[point.list]]
z = 1
[[point]]
name = "c"
[[point.list]]
z = 2
a.b.c = 3
'''

LINES = {
    ("id",): 2,
    ("title",): 3,
    ("text",): 5,
    ("letters",): 10,
    ("scan",): 13,
    ("scan", "period_s"): 14,
    ("scan", "list"): 15,
    ("scan", "after"): 19,
    ("point",): 20,
    ("point", 0): 20,
    ("point", 0, "name"): 21,
    ("point", 1): 22,
    ("point", 1, "name"): 23,
    ("point", 1, "sub"): 24,
    ("point", 1, "sub", "k"): 25,
    ("point", 1, "list"): 26,
    ("point", 1, "list", 0): 26,
    ("point", 1, "list", 0, "z"): 27,
    ("point", 2): 28,
    ("point", 2, "name"): 29,
    ("point", 2, "list"): 30,
    ("point", 2, "list", 0): 30,
    ("point", 2, "list", 0, "z"): 31,
    ("point", 2, "list", 0, "a"): 32,
    ("point", 2, "list", 0, "a", "b"): 32,
    ("point", 2, "list", 0, "a", "b", "c"): 32,
}


def test_every_key_has_its_line_and_nothing_else_has_one() -> None:
    assert dict(parse_toml(TEXT, "f.toml").lines) == LINES


def test_a_file_from_windows_has_the_same_lines() -> None:
    # Written without strings over several lines: TOML keeps those as they are.
    text = "[a]\r\nb = 1\r\n\r\n[[c]]\r\nd = 2\r\n"
    lines = {("a",): 1, ("a", "b"): 2, ("c",): 4, ("c", 0): 4, ("c", 0, "d"): 5}
    assert dict(parse_toml(text, "f.toml").lines) == lines


def test_what_has_no_line_is_told_at_the_nearest() -> None:
    source = parse_toml(TEXT, "f.toml")
    assert source.line_of(("title", "en")) == 3
    assert source.line_of(("point", 1, "nothing", 7)) == 22
    assert source.line_of(("nowhere",)) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a = 1\nb = "open\nc = 2\n', 2),
        ("a = 1\na = 2\n", 2),
        ("a = 1\nb\n", 2),
        ("a = [1,\n2\n", 3),
        ('a = """x\n\n', 3),
    ],
)
def test_bad_syntax_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigurationError) as failed:
        parse_toml(text, "f.toml")
    (mistake,) = failed.value.mistakes
    assert mistake.line == line
    assert str(mistake).startswith(f"f.toml:{line}: not valid TOML: ")
    assert "line" not in mistake.problem


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    length: int = Field(default=1, ge=1)
    colour: str = Field(default="red", alias="color")
    states: dict[int, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _not_thirteen(self) -> "Part":
        if self.length == 13:
            msg = "Thirteen brings bad luck"
            raise ValueError(msg)
        return self


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    part: tuple[Part, ...] = ()
    best: Part | None = None


def mistakes_in(text: str) -> list[str]:
    source: TomlSource = parse_toml(text, "f.toml")
    with pytest.raises(ValidationError) as failed:
        Whole.model_validate(source.data)
    return sorted(map(str, mistakes_of(failed.value, source, Whole)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[part]]\nlength = 2", ["f.toml:1: name: is missing"]),
        (
            'name = "a"\n[[part]]\n[[part]]\nlenght = 2',
            ["f.toml:4: part[2].lenght: unknown key (did you mean 'length'?)"],
        ),
        (
            'name = "a"\n[best]\nzzz = 2',
            ["f.toml:3: best.zzz: unknown key (known: length, color, states)"],
        ),
        (
            'name = "a"\n[best]\nlength = 0',
            ["f.toml:3: best.length: must be at least 1, not 0"],
        ),
        ('name = "a"\n[best]\nlength = 13', ["f.toml:2: best: thirteen brings bad luck"]),
        (
            'name = 1\n[[part]]\nlength = "x"',
            [
                'f.toml:1: name: must be text in quotes ("…"), not 1',
                "f.toml:3: part[1].length: must be a whole number, not 'x'",
            ],
        ),
        (
            'name = "a"\n[best]\nstates = { x = "y" }',
            ["f.toml:3: best.states.x: must be a whole number"],
        ),
    ],
)
def test_mistakes_of_a_schema_say_where_and_what(text: str, told: list[str]) -> None:
    assert mistakes_in(text) == told


def test_a_part_of_a_file_can_be_checked_for_itself() -> None:
    source = parse_toml('[[device]]\nid = "a"\n[[device]]\nid = "b"\nlength = 0', "d.toml")
    with pytest.raises(ValidationError) as failed:
        Part.model_validate({"length": 0})
    (mistake,) = mistakes_of(failed.value, source, Part, prefix=("device", 1))
    assert (mistake.line, mistake.key) == (5, "device[2].length")


def test_all_mistakes_are_told_in_the_order_of_the_file() -> None:
    error = ConfigurationError([Mistake("b", 1, "", "x"), Mistake("a", 9, "k", "y", "do z")])
    assert str(error) == "a:9: k: y (do z)\nb:1: x"


def test_keys_that_a_place_takes() -> None:
    assert known_keys(Whole, ()) == ["name", "part", "best"]
    assert known_keys(Whole, ("part", 0)) == ["length", "color", "states"]
    assert known_keys(Whole, ("best", "states")) == []
    assert known_keys(Whole, ("nothing",)) == []


def test_suggestions() -> None:
    assert suggest("modbsu", ["modbus", "opcua"]) == "did you mean 'modbus'?"
    assert suggest("x", ["modbus", "opcua"]) == "known: modbus, opcua"
    assert suggest("x", []) == ""
