"""Tables behind the functions of the vector unit, exact to the last bit on every machine.

An argument becomes a table index of 8 bits and 11 bits below it, between two points; the line
through them has ``POINT_FRACTION + REST_BITS`` = 27 fraction bits. The exponential takes the
nearest point of a table of its own instead.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

INDEX_BITS = 8
REST_BITS = 11
"""Bits of the argument below the index."""
POINT_FRACTION = 16
"""Fraction bits of the points."""

EXP2_FRACTION = 14
LOG2_E = 47274
"""log2(e), 15 fraction bits."""
LN_2 = 45426
"""ln(2), fraction bits of a point."""
LOG2_E_FRACTION = 15
EXP_DROP = LOG2_E_FRACTION - INDEX_BITS
"""Bits to drop, beside the argument's fraction, to have an index below the binary point."""

FUNCTION_FRACTION = 14
"""Fraction bits of what EXP, SIGMOID and TANH yield."""
RANGE_FRACTION = 10
"""Fraction bits of what LOG and RECIP yield."""


def _table(
    function: Callable[[Decimal], Decimal], step: int, *, fraction: int, points: int
) -> tuple[int, ...]:
    """``function(i / step)`` for ``i`` from 0 on, rounded to ``fraction`` fraction bits."""
    with localcontext(prec=40):
        return tuple(
            int((function(Decimal(i) / step) * 2**fraction).to_integral_value(ROUND_HALF_EVEN))
            for i in range(points)
        )


def _tanh(x: Decimal) -> Decimal:
    square = (2 * x).exp()
    return (square - 1) / (square + 1)


EXP2 = _table(lambda x: Decimal(2) ** -x, 256, fraction=EXP2_FRACTION, points=256)
"""``2**(-i / 256)``, 14 fraction bits: 1.0 fits a signed word."""
TANH = _table(_tanh, 32, fraction=POINT_FRACTION, points=257)
"""``tanh(i / 32)``: 1.0 to the last bit long before 8, where the table ends."""
LOG = _table(lambda x: (1 + x).ln(), 256, fraction=POINT_FRACTION, points=257)
"""``ln(1 + i / 256)``"""
RECIP = _table(lambda x: 1 / (1 + x), 256, fraction=POINT_FRACTION, points=257)
"""``1 / (1 + i / 256)``"""

LFSR_TAPS = (0, 2, 6, 7)
"""Bits of the 32-bit state whose parity comes in at the top while the state moves down by one:
x**32 + x**7 + x**6 + x**2 + 1, primitive, so the period is 2**32 - 1."""
LFSR_BITS = 32
