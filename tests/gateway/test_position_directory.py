"""The names that clients of positions share: made once, told to everyone from where they are."""

from __future__ import annotations

import pytest

from gateway.serve import position_directory
from gateway.serve.position_directory import Directory
from gateway.serve.position_view import Reader, View
from lamproom.v1.position_pb2 import WatchPositionsResponse
from positioning.observation import IdTable

EVERYTHING = View(None, None, every_fix=False)


def reader() -> Reader:
    return Reader(EVERYTHING, None, at=0, total=0, told=0)


def table(*named: str) -> IdTable:
    made = IdTable(capacity=1000)
    for name in named:
        made.handle(name)
    return made


def told(messages: list[bytes]) -> tuple[dict[int, str], list[str]]:
    """Cards by handle, and roadways."""
    cards: dict[int, str] = {}
    roadways: list[str] = []
    for message in messages:
        directory = WatchPositionsResponse.FromString(message).directory
        cards |= {entry.tag_handle: entry.card for entry in directory.entries}
        roadways += directory.roadway_ids
    return cards, roadways


def test_everyone_is_told_the_same_bytes_once() -> None:
    directory = Directory(table("1001", "1002"), table("r1"))
    one, other = reader(), reader()
    first = directory.news(one)
    assert told(first) == ({0: "1001", 1: "1002"}, ["r1"])
    again = directory.news(other)
    assert [id(message) for message in again] == [id(message) for message in first]
    assert directory.news(one) == []


def test_who_knows_some_is_told_of_those_that_have_come() -> None:
    cards, roadways = table("1001"), table("r1")
    directory = Directory(cards, roadways)
    one = reader()
    directory.news(one)
    cards.handle("1002")
    assert told(directory.news(one)) == ({1: "1002"}, [])
    roadways.handle("r2")
    assert told(directory.news(one)) == ({}, ["r1", "r2"])
    assert told(directory.news(reader())) == ({0: "1001", 1: "1002"}, ["r1", "r2"])


def test_a_mine_without_cards_has_its_roadways_told() -> None:
    directory = Directory(table(), table("r1"))
    assert told(directory.news(reader())) == ({}, ["r1"])
    assert Directory(table(), table()).news(reader()) == []


def test_many_names_come_in_parts_of_which_few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position_directory, "DIRECTORY_ENTRIES_MAX", 2)
    monkeypatch.setattr(position_directory, "HELD_MAX", 3)
    everyone = [str(1000 + n) for n in range(9)]
    directory = Directory(table(*everyone), table("r1"))
    first, again = directory.news(reader()), directory.news(reader())
    for messages in (first, again):
        assert len(messages) == 5
        assert told(messages) == (dict(enumerate(everyone)), ["r1"])
    assert not {id(message) for message in first} & {id(message) for message in again}
