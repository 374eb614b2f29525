"""Profiles of controllers that are read over EtherNet/IP: tags, types and what does not fit."""

import pytest

from equipment import catalogue
from equipment.ethernetip_profile import EthernetIpProfile
from equipment.logix_tag import LogixTag, parse_tag
from equipment.toml_source import ConfigurationError

TOP = 'id = "x"\ntitle = { en = "X", zh = "X" }\nprotocol = "ethernetip"\n'
POINT = '[[point]]\nname = "{}"\nmeaning = {{ en = "a {{n}}", zh = "a {{n}}" }}\n{}\n'


def read(*points: tuple[str, str], kind: str = "machine") -> EthernetIpProfile:
    rows = [POINT.format(name, keys) for name, keys in points]
    text = TOP + f'kind = "{kind}"\n' + "".join(rows)
    if "repeat" not in text:
        text = text.replace(" {n}", "")
    profile = catalogue.parse_profile(text, "x.toml")
    assert isinstance(profile, EthernetIpProfile)
    return profile


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Speed", LogixTag((("Speed", ()),))),
        ("Drive[3].Speed", LogixTag((("Drive", (3,)), ("Speed", ())))),
        ("Grid[1,2,30].X[4]", LogixTag((("Grid", (1, 2, 30)), ("X", (4,))))),
        ("Status.31", LogixTag((("Status", ()),), 31)),
        ("Drive[0].Status.0", LogixTag((("Drive", (0,)), ("Status", ())), 0)),
        ("Program:Main.Run", LogixTag((("Program:Main", ()), ("Run", ())))),
        ("Local:1:I.Data.7", LogixTag((("Local:1:I", ()), ("Data", ())), 7)),
    ],
)
def test_a_tag_is_written_as_the_controllers_software_writes_it(text: str, tag: LogixTag) -> None:
    assert parse_tag(text) == tag


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is no name"),
        ("3", "'3' is no name"),
        ("a b", "'a b' is no name"),
        ("温度", "is no name"),
        ("Speed[]", "is no name"),
        ("Speed[1,2,3,4]", "is no name"),
        ("Speed[-1]", "is no name"),
        ("A..B", "'' is no name"),
        ("Status.64", "there is no bit 64"),
        ("Status.٣", "is no name"),
        ("A" * 401, "401 letters"),
    ],
)
def test_what_is_no_tag_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_tag(text)


def test_points_of_one_form_have_their_numbers_in_the_tag() -> None:
    keys = 'tag = "Support[{n}].Pressure"\nrepeat = { count = 3, first = 0 }'
    points = read(("leg_{n}", keys)).point
    assert [(point.name, point.tag) for point in points] == [
        ("leg_0", "Support[0].Pressure"),
        ("leg_1", "Support[1].Pressure"),
        ("leg_2", "Support[2].Pressure"),
    ]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('tag = "Status.3"', 'write type = "bool"'),
        ('tag = "Status.3"\ntype = "text"', 'write type = "bool"'),
        ('tag = "On"\ntype = "bool"\nscale = 2.0', "go with numbers"),
        ('tag = "A-B"', "'A-B' is no name"),
        ('tag = "A"\ntype = "DINT"', "type"),
        ('tag = "A[{n}]"', "goes with repeat"),
        ('tag = "A"\nrepeat = { count = 2 }', "must hold {n}"),
        ("address = 3", "tag: is missing"),
    ],
)
def test_what_does_not_fit_is_told(keys: str, words: str) -> None:
    name = "p_{n}" if "repeat =" in keys else "p"
    with pytest.raises(ConfigurationError, match=words):
        read((name, keys))


def test_only_machines_are_read_and_points_are_needed() -> None:
    with pytest.raises(ConfigurationError, match="a rfid_reader is not read over EtherNet/IP"):
        read(("p", 'tag = "A"'), kind="rfid_reader")
    with pytest.raises(ConfigurationError, match="there is no"):
        read()
    with pytest.raises(ConfigurationError, match="two points have the name p"):
        read(("p", 'tag = "A"'), ("p", 'tag = "B"'))
