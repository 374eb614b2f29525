"""JSON that knows where each value stands."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.json_source import JsonError, parse_json, path_text


def test_places_in_json_are_told_by_line() -> None:
    text = '{\n"a": [1,\n {"b": {}, "c":\n 5}, []],\n"é\\"}]": "x\\n{",\n"d": null}'
    source = parse_json(text)
    assert source.data == {"a": [1, {"b": {}, "c": 5}, []], 'é"}]': "x\n{", "d": None}
    assert {path_text(path): line for path, line in source.lines.items() if path} == {
        "a": 2, "a[1]": 2, "a[2]": 3, "a[2].b": 3, "a[2].c": 3, "a[3]": 4, 'é"}]': 5, "d": 6,
    }  # fmt: skip
    assert source.line_of(("a", 1, "none", 7)) == 3
    assert source.line_of(("none",)) == 1


def test_the_line_of_a_syntax_error_is_told() -> None:
    with pytest.raises(JsonError, match="line 3: not valid JSON at column 3"):
        parse_json('{\n"a": 1,\n  }')


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(values)
def test_every_value_of_any_json_has_its_line(given: object) -> None:
    text = json.dumps(given, indent=1)
    source = parse_json(text)
    lines = text.splitlines() or [""]

    def check(value: object, path: tuple[str | int, ...]) -> None:
        line = source.lines[path]
        assert 1 <= line <= len(lines)
        if isinstance(value, dict):
            for key, inner in value.items():
                assert json.dumps(key) in lines[source.lines[*path, key] - 1]
                check(inner, (*path, key))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                check(inner, (*path, number))
        else:
            assert json.dumps(value) in lines[line - 1]

    check(given, ())
    assert source.twice == ()
