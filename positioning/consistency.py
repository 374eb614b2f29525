"""Does a filter know its own errors? What the mean of NEES should be, given how many samples."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: A place on the map has two coordinates: the expected value of each NEES.
DIMENSIONS: Final = 2
#: Two-sided 95 % of the normal law.
Z_95: Final = 1.96


def independent_count(values: NDArray[np.float64]) -> float:
    """How many independent samples are worth as much for the mean as `values` (n,) in their order.

    Errors of one card last for seconds, so that thousands of fixes may tell no more than a dozen.
    n over the integrated autocorrelation, which is summed until it first falls to zero (Geyer 1992,
    the initial positive sequence). Values that are not finite are left out.
    """
    finite = values[np.isfinite(values)]
    n = len(finite)
    if n < 2:
        return float(n)
    from_mean = finite - finite.mean()
    # Twice as long, so that the end of the series does not meet its beginning.
    spectrum = np.fft.rfft(from_mean, 2 * n)
    correlation = np.fft.irfft(spectrum * spectrum.conj(), 2 * n)[:n]
    if correlation[0] <= 1e-24 * n * max(finite.max() ** 2, finite.min() ** 2):
        return 1.0  # one value, again and again
    correlation /= correlation[0]
    positive = np.append(correlation > 0.0, False)
    until = int(np.argmin(positive))
    return float(n / (2.0 * correlation[:until].sum() - 1.0))


def mean_nees_interval(count: float) -> tuple[float, float]:
    """Where 95 % of the means over `count` independent NEES lie, if the covariance is right.

    Bar-Shalom, Li & Kirubarajan 2001, 5.4.2: the sum is chi square with 2·count degrees of freedom.
    Its quantiles are those of Wilson & Hilferty 1931, within 1 % from five samples on. NaN where
    there is no sample.
    """
    if count <= 0.0:
        return math.nan, math.nan
    spread = 2.0 / (9.0 * DIMENSIONS * count)
    low, high = (1.0 - spread + sign * Z_95 * math.sqrt(spread) for sign in (-1.0, 1.0))
    return DIMENSIONS * max(low, 0.0) ** 3, DIMENSIONS * high**3
