from protocols.losses import LOSSES_S, OTHERS, REASONS_MOST, Loss, Losses


def test_losses_of_one_reason_are_summed_and_told_at_most_so_often() -> None:
    losses = Losses()
    losses.add([Loss(2, "a"), Loss(1, "b"), Loss(3, "a")])
    assert losses.due(100.0) == [Loss(5, "a"), Loss(1, "b")]
    losses.add([Loss(1, "a")])
    assert losses.due(100.0 + LOSSES_S / 2) == []
    losses.add([Loss(1, "a")])
    assert losses.due(100.0 + LOSSES_S) == [Loss(2, "a")]
    assert losses.due(200.0) == []


def test_reasons_are_bounded_and_their_counts_are_kept() -> None:
    losses = Losses()
    for number in range(10 * REASONS_MOST):
        losses.add([Loss(1, f"reason {number}")])
    told = losses.due(0.0)
    assert len(told) == REASONS_MOST + 1
    assert told[-1] == Loss(9 * REASONS_MOST, OTHERS)
