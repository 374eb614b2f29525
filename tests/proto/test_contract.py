"""The contract: linted, its stubs fresh, its numbers those of the types inside."""

from __future__ import annotations

import subprocess
import sys
from enum import IntEnum
from pathlib import Path

import pytest

from equipment.report import LinkState, NoticeKind, Quality
from gateway.mine.change import EventKind
from lamproom.v1 import equipment_pb2, event_pb2, mine_pb2, position_pb2
from positioning.anchor_health import Verdict
from positioning.mine_map import ZoneKind
from positioning.observation import FixClass

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "proto"
BUF = next(ROOT.glob("tests/peers/node_modules/@bufbuild/buf-*/bin/buf"), None)


def stubs(folder: Path) -> dict[Path, str]:
    return {file.relative_to(folder): file.read_text() for file in folder.rglob("*_pb2*.py*")}


def test_stubs_are_fresh(tmp_path: Path) -> None:
    script = ROOT / "tests/proto/generate.py"
    subprocess.run([sys.executable, script, tmp_path], check=True)
    made, kept = (stubs(folder / "lamproom") for folder in (tmp_path, PROTO))
    stale = sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))
    assert not stale, "stale stubs: ./run proto"


@pytest.mark.skipif(BUF is None, reason="buf is not installed: npm ci in tests/peers")
def test_buf_lint_finds_nothing() -> None:
    assert BUF is not None
    done = subprocess.run([BUF, "lint"], cwd=PROTO, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("inside", "contract", "prefix"),
    [
        (EventKind, event_pb2.EventKind, "EVENT_KIND_"),
        (FixClass, position_pb2.FixClass, "FIX_CLASS_"),
        (Quality, equipment_pb2.Quality, "QUALITY_"),
        (LinkState, equipment_pb2.LinkState, "LINK_STATE_"),
        (Verdict, equipment_pb2.AnchorVerdict, "ANCHOR_VERDICT_"),
    ],
)
def test_numbers_of_enums_are_the_same(
    inside: type[IntEnum],
    contract: object,
    prefix: str,
) -> None:
    expected = {f"{prefix}UNSPECIFIED": 0} | {f"{prefix}{one.name}": int(one) for one in inside}
    assert dict(contract.items()) == expected  # type: ignore[attr-defined]  # a wrapper without a base


def test_notices_are_events() -> None:
    assert {kind.name: int(kind) for kind in NoticeKind}.items() <= {
        kind.name: int(kind) for kind in EventKind
    }.items()


def test_every_kind_of_zone_has_a_number() -> None:
    names = {f"ZONE_KIND_{kind.name}" for kind in ZoneKind}
    assert names | {"ZONE_KIND_UNSPECIFIED"} == set(mine_pb2.ZoneKind.keys())
