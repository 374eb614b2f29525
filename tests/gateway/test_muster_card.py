"""What is kept of a muster and of its cards, and a call in one word."""

from dataclasses import replace

import pytest

from gateway.mine.muster.card import (
    MusterCall,
    call_of,
    keep_card,
    keep_muster,
    recall_card,
    recall_muster,
)
from tests.gateway.muster_rig import MUSTER, card


@pytest.mark.parametrize("call", [MusterCall(), MusterCall(("a", "b.c"), drill=True)])
def test_a_call_in_one_word_and_back(call: MusterCall) -> None:
    assert call_of(call.text) == call


def test_words_that_are_no_call() -> None:
    assert [call_of(text) for text in ("", "other/a", "drill//a")] == [None] * 3


def test_what_is_kept_is_the_same_again() -> None:
    closed = replace(MUSTER, close_t_ns=5, closed_by="Li", close_note="over", drill=True)
    for muster in (MUSTER, closed):
        assert recall_muster(keep_muster(muster)) == muster
    for one in (card(1), card(2, place=None, chainage_m=None, cut_off="no way")):
        assert recall_card(keep_card(one, whole=True)) == replace(one, way=None)
        known = recall_card(keep_card(one))
        assert (known.card, known.number, known.changes) == (one.card, one.number, one.changes)
        assert known.place is None
