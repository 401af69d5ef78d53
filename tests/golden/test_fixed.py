import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.fixed import as_words, requantise, round_shift, saturate


@pytest.mark.parametrize(
    ("value", "rounded"), [(5, 1), (6, 2), (7, 2), (-5, -1), (-6, -1), (-7, -2), (2, 1), (-2, 0)]
)
def test_ties_go_toward_plus_infinity(value, rounded):
    assert round_shift(value, 2) == rounded


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 63))
def test_rounding_is_exact_for_every_word(value, shift):
    assert round_shift(value, shift) == math.floor(Fraction(value, 2**shift) + Fraction(1, 2)) or (
        shift == 0 and round_shift(value, 0) == value
    )


def test_saturation_reaches_both_rails_and_no_further():
    assert saturate([-200, -129, -128, 127, 128, 200], 8).tolist() == [
        -128, -128, -128, 127, 127, 127,
    ]  # fmt: skip


def test_requantise_counts_the_words_that_saturate():
    words, saturated = requantise(np.array([508, 510, -512, -514, -515]), shift=2, bits=8)
    assert words.tolist() == [127, 127, -128, -128, -128]
    assert saturated == 2


def test_a_shift_that_is_no_shift_is_refused():
    with pytest.raises(ValueError, match=r"^Shift must be an integer in the range \[0, 63\], not"):
        round_shift(1, -1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2], r"Input must have the shape \(3,\), not \(2,\)"),
        ([1, 128, 0], r"Input must be in the range \[-128, 127\], not 128"),
        ([1, -129, 0], r"Input must be in the range \[-128, 127\], not -129"),
        ([1.0, 2.0, 3.0], "Input must be integers, not of type float64"),
        ([1.0, float("nan"), 3.0], "Input must be integers, not nan"),
        ([1.0, float("inf"), 3.0], "Input must be integers, not inf"),
    ],
)
def test_operands_that_are_no_words_are_refused(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        as_words("Input", values, bits=8, shape=(3,))
