"""The contract breaks no client of the last release, and the check for that bites."""

import shutil
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.proto.breaking import (
    BUF,
    PROTO,
    RELEASED,
    contract_of,
    descriptors_of,
    findings,
    is_checkout,
    last_tag,
    write_descriptors,
)

pytestmark = pytest.mark.skipif(BUF is None, reason="buf is not installed: npm ci in tests/peers")


@pytest.mark.skipif(not RELEASED.exists(), reason="nothing was released yet: nothing to break")
def test_no_client_of_the_last_release_is_broken() -> None:
    assert findings(PROTO, RELEASED) == []


def test_what_is_compared_with_is_the_last_release(tmp_path: Path) -> None:
    tag = last_tag()
    if tag is None:
        pytest.skip("this checkout knows of no tag: proto/released.binpb is taken as it is")
    assert RELEASED.exists(), f"{tag} was released without ./run released"
    kept = FileDescriptorSet.FromString(RELEASED.read_bytes())
    # In the commit of the next release it is that of now already.
    assert kept in (descriptors_of(contract_of(tag, tmp_path)), descriptors_of(PROTO)), (
        f"proto/released.binpb is not the contract of {tag}: ./run released in its commit"
    )


def test_an_older_contract_is_read_out_of_git(tmp_path: Path) -> None:
    if not is_checkout():
        pytest.skip("not a git checkout: there are no tags to compare with")
    found = descriptors_of(contract_of("HEAD", tmp_path))
    assert "lamproom/v1/event.proto" in {file.name for file in found.file}


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("event", "  string text = 10;\n", "", "text"),
        ("event", "  string text = 10;", "  string text = 99;", "text"),
        ("event", "  string text = 10;", "  string words = 10;", "words"),
        ("event", "  string text = 10;", "  uint64 text = 10;", "text"),
        ("event", "  uint64 count = 11;", "  repeated uint64 count = 11;", "count"),
        ("event", "  EVENT_KIND_FLOOD_ENDED = 26;\n", "", "26"),
        (
            "risk",
            "  rpc ListRisks(ListRisksRequest) returns (ListRisksResponse);\n",
            "",
            "ListRisks",
        ),
        ("risk", "service RiskService", "service RisksService", "RiskService"),
    ],
)
def test_what_would_break_a_client_is_found(
    file: str, before: str, after: str, said: str, tmp_path: Path
) -> None:
    released = tmp_path / "released.binpb"
    write_descriptors(PROTO, released)
    copy = tmp_path / "proto"
    shutil.copytree(PROTO, copy)
    assert findings(copy, released) == []
    source = copy / f"lamproom/v1/{file}.proto"
    text = source.read_text(encoding="utf-8")
    assert before in text
    source.write_text(text.replace(before, after, 1), encoding="utf-8")
    assert any(said in line for line in findings(copy, released))


def test_what_is_new_breaks_nobody(tmp_path: Path) -> None:
    released = tmp_path / "released.binpb"
    write_descriptors(PROTO, released)
    copy = tmp_path / "proto"
    shutil.copytree(PROTO, copy)
    source = copy / "lamproom/v1/event.proto"
    text = source.read_text(encoding="utf-8")
    added = "  string text = 10;\n  string more = 900;\n"
    source.write_text(text.replace("  string text = 10;\n", added, 1), encoding="utf-8")
    assert findings(copy, released) == []
    assert descriptors_of(copy) != descriptors_of(PROTO)
