"""Only what comes as it is made tells what the device's clock shows."""

from protocols.pace import HURRY_NS, SETTLED_NS, Pace

S = 1_000_000_000
DEVICE, HERE = 5_000 * S, 1_764_500_000 * S


def settled(pace: Pace, *batches: tuple[float, float]) -> list[bool]:
    """Batches by their newest time and when they came, in seconds."""
    return [pace.settled(DEVICE + round(t * S), HERE + round(r * S)) for t, r in batches]


def test_a_clock_that_goes_as_ours_is_told_after_a_while_however_far_it_is_off() -> None:
    steps = [(n / 4, n / 4) for n in range(12)]
    assert settled(Pace(), *steps) == [n / 4 * S >= SETTLED_NS for n in range(12)]


def test_what_a_device_had_kept_tells_nothing_until_it_is_through() -> None:
    kept = [(10.0 * n, 0.5 * n) for n in range(8)]
    assert not any(settled(Pace(), *kept))
    pace = Pace()
    assert settled(pace, *kept, (71.0, 4.5), (72.0, 5.5), (73.0, 6.5))[-1]


def test_one_wrong_time_is_not_the_clock() -> None:
    good = [(n / 2, n / 2) for n in range(8)]
    for wrong in (9_000.0, -4_000.0):
        pace = Pace()
        assert settled(pace, *good)[-1]
        assert settled(pace, (wrong, 4.0), (4.5, 4.5)) == [False, False]
        assert settled(pace, *[(n / 2, n / 2) for n in range(10, 16)])[-1]


def test_what_a_network_delays_is_no_hurry() -> None:
    pace = Pace()
    settled(pace, (0.0, 0.0), (1.0, 1.4))
    assert settled(pace, (2.5, 2.5), (2.5 - HURRY_NS / 2 / S, 2.6)) == [True, True]
