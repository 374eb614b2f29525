"""The scaled complementary error function, which a range's likelihood needs. Compiled."""

from __future__ import annotations

from typing import Final

from positioning.jit import njit_within

#: Where a distance x ≥ 0 becomes t = (x - k) / (x + k), from -1 to 1.
_MIDDLE: Final = 3.75
#: Coefficients of t⁰, t⁴, t⁸ …; of t¹, t⁵ …; of t², t⁶ …; of t³, t⁷ …
_A: Final = (
    1.2375126308081394,
    -0.10880401165954678,
    -0.009749243355606896,
    4.4280135184455274e-05,
)
_B: Final = (
    -0.14024059858819563,
    0.0923043196562569,
    0.0017556055634317877,
    2.240378086339088e-05,
)
_C: Final = (
    0.003585419320941043,
    -0.058692735833347574,
    0.0002995965088889839,
    -6.352404651074643e-06,
)
_D: Final = (
    0.08227673860880448,
    0.02836228550792988,
    -0.00029013582596605923,
    -1.0351555937708743e-06,
)


@njit_within
def _row(u: float, c: tuple[float, float, float, float]) -> float:
    return c[0] + u * (c[1] + u * (c[2] + u * c[3]))


@njit_within
def scaled_erfc(x: float) -> float:
    """exp(x²)·erfc(x) for x ≥ 0, within 3e-11 of it.

    (1 + 2·x) times it is a polynomial of t (Shepherd & Laframboise 1981). Unlike `math.erfc` this
    is one piece without a call, so that a processor can do other work at the same time.
    """
    t = (x - _MIDDLE) / (x + _MIDDLE)
    t2 = t * t
    u = t2 * t2
    sum_ = (_row(u, _A) + t * _row(u, _B)) + t2 * (_row(u, _C) + t * _row(u, _D))
    return sum_ * (1.0 / (1.0 + 2.0 * x))  # both factors are found at the same time
