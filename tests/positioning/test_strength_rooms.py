"""Places by signal strength along whole walks: a recording, and rooms of every kind."""

import numpy as np
import pytest

from tests.support.places import SHARED
from tests.support.sightings import (
    Room,
    bayes,
    centroid,
    covered,
    errors_m,
    nearest,
    read_strengths,
    simulated,
)

TETAM = SHARED / "data" / "tetam_ble_rssi"


@pytest.mark.skipif(not TETAM.is_dir(), reason="needs the recording ../shared/data/tetam_ble_rssi")
def test_a_recording_of_strengths() -> None:
    runs = read_strengths(TETAM)
    places = [bayes(run) for run in runs]
    pairs = list(zip(runs, places, strict=True))
    by_run = [errors_m(*pair) for pair in pairs]
    assert np.percentile(np.concatenate(by_run), 95) <= 5.5
    assert max(np.percentile(run, 95) for run in by_run) <= 5.5
    assert np.concatenate([covered(*pair) for pair in pairs]).mean() >= 0.85
    for rival in (nearest, centroid):
        other = np.concatenate([errors_m(run, rival(run)) for run in runs])
        assert np.percentile(np.concatenate(by_run), 95) < np.percentile(other, 95)


@pytest.mark.parametrize(
    "room",
    [
        Room(10.0, 12.0, 5, power_dbm=-40.0, exponent=1.8, noise_db=3.0),
        Room(10.0, 12.0, 5, power_dbm=-75.0, exponent=2.5, noise_db=8.0),
        Room(25.0, 18.0, 10, power_dbm=-55.0, exponent=3.5, noise_db=5.0),
        Room(25.0, 18.0, 10, power_dbm=-70.0, exponent=1.8, noise_db=8.0),
        Room(45.0, 40.0, 14, power_dbm=-45.0, exponent=2.8, noise_db=6.0),
        Room(60.0, 5.0, 6, power_dbm=-55.0, exponent=2.0, noise_db=5.0),
        Room(20.0, 20.0, 20, power_dbm=-50.0, exponent=2.4, noise_db=4.0, packets_s=5.0),
    ],
    ids=str,
)
def test_rooms_that_the_defaults_do_not_know(room: Room) -> None:
    """Better than the nearest reader, within the readers' spacing, and honest about it."""
    runs = [simulated(room, seed) for seed in range(4)]
    pairs = [(run, bayes(run)) for run in runs]
    found = np.concatenate([errors_m(*pair) for pair in pairs])
    other = np.concatenate([errors_m(run, nearest(run)) for run in runs])
    assert np.sqrt((found**2).mean()) < np.sqrt((other**2).mean())
    spacing_m = np.sqrt(room.width_m * room.depth_m / room.readers)
    assert np.percentile(found, 95) < 1.5 * spacing_m
    assert np.concatenate([covered(*pair) for pair in pairs]).mean() >= 0.85
