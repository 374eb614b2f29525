"""people.csv: what comes out of spreadsheets and text editors is taken or refused with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.toml_source import ConfigurationError
from gateway.config.people import PEOPLE_MAX, CardKind, Person, parse_people, parse_roster

HEADER = "card,name,job,team\n"
CARD = "14010000000100001"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        parse_people(text)
    return [str(mistake).removeprefix("people.csv") for mistake in error.value.mistakes]


def test_people_are_read_in_order() -> None:
    assert parse_people(HEADER + f"{CARD},王伟,电工,机电队\n140100009,李娜,,\n") == (
        Person(CARD, "王伟", "电工", "机电队"),
        Person("140100009", "李娜", "", ""),
    )


def test_what_carries_a_card_may_be_told() -> None:
    text = f"card,kind,name,job,team\n{CARD},vehicle,V7,,\n140100009,,李娜,,\n140100010,robot,R,,\n"
    assert [person.kind for person in parse_people(text)] == ["vehicle", "person", "robot"]
    assert Person(CARD, "a", "", "").kind is CardKind.PERSON


@pytest.mark.parametrize("kind", ["Vehicle", " person", "x" * 1000])
def test_a_kind_that_there_is_not_is_told(kind: str) -> None:
    (told,) = mistakes(f"card,name,job,team,kind\n{CARD},a,,,{kind}\n")
    assert told.startswith(":2: kind: must be one of person, vehicle, robot")
    assert len(told) < 200


EXTRA = "card,name,job,team,kind,pinyin,leader,special,zones,route\n"


def test_roles_permits_and_routes_may_be_told() -> None:
    rows = f"{CARD},张伟,电工,机电队,,zhang wei,yes,是, sub_1  sub_2\u3000vent ,round_1\n"
    rows += "140100009,李娜,,,person,,no,否,,\n140100010,V7,,,vehicle,,,,sub_1,\n"
    zhang, li, truck = parse_people(EXTRA + rows)
    assert (zhang.pinyin, zhang.leader, zhang.special) == ("zhang wei", True, True)
    assert (sorted(zhang.zones), zhang.route) == (["sub_1", "sub_2", "vent"], "round_1")
    assert li == Person("140100009", "李娜", "", "")
    assert (truck.kind, sorted(truck.zones)) == (CardKind.VEHICLE, ["sub_1"])


@pytest.mark.parametrize(
    ("column", "field", "told"),
    [
        ("leader", "Yes", "must be yes or no (是 or 否), not 'Yes' (empty is no)"),
        ("leader", "1", "must be yes or no (是 or 否), not '1' (empty is no)"),
        ("special", " 是", "must be yes or no (是 or 否), not ' 是' (empty is no)"),
        ("special", "x" * 99, "must be yes or no (是 or 否), not 99 characters (empty is no)"),
        ("zones", "a;b", "ids of zones are separated by ';' (write spaces between them)"),
        ("zones", "a、b", "ids of zones are separated by '、' (write spaces between them)"),
        ("zones", f"a {'b' * 65}", "has an id of 65 characters; at most 64 are taken"),
        ("pinyin", "p" * 65, "has 65 characters; at most 64 are taken"),
        ("pinyin", "a\x07", "has characters that can't be shown: 'a\\x07'"),
        ("route", "r" * 65, "has 65 characters; at most 64 are taken"),
        (
            "route", "round_1",
            "routes are planned for special workers, and this is none (write yes under special, or "
            "leave the route empty)",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_roles_and_permits_is_told(column: str, field: str, told: str) -> None:
    text = f"card,name,job,team,{column}\n{CARD},a,,,{field}\n"
    assert mistakes(text) == [f":2: {column}: {told}"]


@pytest.mark.parametrize("column", ["leader", "special"])
@pytest.mark.parametrize("kind", ["vehicle", "robot"])
def test_only_a_person_has_a_role(column: str, kind: str) -> None:
    assert mistakes(f"card,name,job,team,kind,{column}\n{CARD},a,,,{kind},yes\n") == [
        f":2: {column}: must be no for a {kind}: only a person can be this "
        "(write no, or person under kind)"
    ]


def test_rows_beside_a_wrong_one_are_still_read_with_their_lines() -> None:
    roster = parse_roster(f'{HEADER}\n{CARD},"a",,\n1,b,,\n140100009,c,"x\ny",\n140100010,d,,\n')
    assert [person.name for person in roster.people] == ["a", "d"]
    assert roster.lines == [3, 7]
    assert [mistake.line for mistake in roster.mistakes] == [4, 5]


def test_a_card_keeps_its_leading_zeros() -> None:
    assert parse_people(HEADER + "000000001,a,,\n")[0].card == "000000001"


def test_columns_may_stand_in_any_order() -> None:
    text = f"team,card,job,name\nT,{CARD},J,N\n"
    assert parse_people(text) == (Person(CARD, "N", "J", "T"),)


def test_lines_may_end_as_on_any_system_and_may_be_empty() -> None:
    text = f'{HEADER.strip()}\r\n\r\n{CARD},"a ""b"", c",,\r\n,,,\r\n  \r\n140100009,d,,'
    assert [person.name for person in parse_people(text)] == ['a "b", c', "d"]


def test_a_mine_without_people_is_taken() -> None:
    assert parse_people(HEADER) == ()


@pytest.mark.parametrize("text", ["", "\n\n", "  \n"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert mistakes(text) == [":1: is empty (begin it with the line card,name,job,team)"]


@pytest.mark.parametrize(
    "card",
    ["", "12345678", "1" * 19, "14010000000A", "-140100001", "１４０１０００００１", "1401 00001"],
)
def test_a_card_is_9_to_18_digits(card: str) -> None:
    assert mistakes(f"{HEADER}{card},a,,\n") == [f":2: card: must be 9 to 18 digits, not {card!r}"]


@pytest.mark.parametrize("card", ["1.50622E+11", "1.4E+16", "1E16", '"1,5E+11"', "1.50622e+11"])
def test_what_a_spreadsheet_has_cut_off_is_told(card: str) -> None:
    (told,) = mistakes(f"{HEADER}{card},a,,\n")
    assert told.startswith(":2: card: a spreadsheet has cut off digits")
    assert told.endswith("(format the column as text, then enter the numbers anew)")


def test_numbers_that_a_spreadsheet_has_rounded_are_told() -> None:
    rounded = "14010000000100000"
    (told,) = mistakes(f"{HEADER}{rounded},a,,\n{rounded},b,,\n")
    assert told.startswith(f":3: card: '{rounded}' is already the card of the person at line 2")
    assert "a spreadsheet keeps 15 digits" in told


def test_spaces_around_a_card_are_told() -> None:
    assert mistakes(f"{HEADER}{CARD} ,a,,\n") == [
        f":2: card: has spaces around it: '{CARD} ' (delete them)"
    ]


def test_all_mistakes_are_told_with_the_lines_where_rows_begin() -> None:
    text = f'{HEADER}{CARD},"a\nb",,\n{CARD},,,\n1,x,,\n140100009,d\n140100008,"open,,\n'
    assert mistakes(text) == [
        ":2: name: has characters that can't be shown: 'a\\nb'",
        ":4: card: '14010000000100001' is already the card of the person at line 2",
        ":4: name: is missing",
        ":5: card: must be 9 to 18 digits, not '1'",
        ":6: has 2 fields, the first line has 4 (a comma within a field needs quotes around it)",
        ":7: not valid CSV: unexpected end of data (is a quote left open?)",
    ]


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("n" * 65, "has 65 characters; at most 64"),
        ("a\x07", "can't be shown"),
        ("  ", "is missing"),
    ],
)
def test_names_are_short_and_can_be_shown(field: str, problem: str) -> None:
    (told,) = mistakes(f"{HEADER}{CARD},{field},,\n")
    assert problem in told


@pytest.mark.parametrize("separator", [";", "\t", "，", "|"])
def test_other_separators_are_told(separator: str) -> None:
    (told,) = mistakes(HEADER.replace(",", separator))
    assert told.startswith(f":1: columns are separated by {separator!r}")


def test_columns_are_told() -> None:
    assert mistakes("card,card,Name,job\n") == [
        ":1: Name: unknown column (did you mean 'name'?)",
        ":1: card: the column stands twice (delete one of the two)",
        ":1: name: the column is missing (the first line must name card, name, job, team)",
        ":1: team: the column is missing (the first line must name card, name, job, team)",
    ]


def test_more_people_than_a_gateway_takes_are_refused() -> None:
    rows = "".join(f"{100_000_000 + n},a,,\n" for n in range(PEOPLE_MAX + 1))
    assert mistakes(HEADER + rows) == [
        ": 100001 people are more than the 100000 that one gateway takes"
    ]


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_is_people_or_mistakes(text: str) -> None:
    for given_text in (text, HEADER + text):
        try:
            assert isinstance(parse_people(given_text), tuple)
        except ConfigurationError as error:
            told = error.mistakes
        else:
            continue
        assert told
