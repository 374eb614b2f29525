"""`kill -9` of a gateway under load: what clients that resume are given is what the journal holds.

A short turn of `bench/kill.py`, which says how it is done.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from bench.kill import measure

KILLS = 3


@pytest.mark.timeout(600)
def test_resuming_clients_miss_nothing_and_get_nothing_twice(tmp_path: Path) -> None:
    options = argparse.Namespace(times=KILLS, seed=7, minutes=8.0)
    result = measure(tmp_path, options)
    none = ("lost", "doubled", "out_of_order", "different", "gaps_and_resets", "acts_wrong")
    assert {key: result[key] for key in none} == dict.fromkeys(none, 0)
    assert result["journal_gaps"] == 0
    assert result["times"] == KILLS
    assert result["acts"] > 0
    assert result["positions"] > 0
    assert {one["events"] for one in result["clients"].values()} == {result["events"]}
