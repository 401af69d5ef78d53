import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panther.arch.formats import Fixed, TrainFormats


@pytest.mark.parametrize("bits", [1, 65, -16])
def test_impossible_width(bits):
    expected = f"Bits must be an integer in the range [2, 64], not {bits}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        Fixed(bits=bits, fraction=10)


@given(st.integers(), st.integers(-100, 100))
def test_any_width_is_right_or_a_value_error(bits, fraction):
    if 2 <= bits <= 64:
        fixed = Fixed(bits=bits, fraction=fraction)
        assert fixed.high - fixed.low == 2**bits - 1
        assert fixed.low <= fixed.one <= fixed.high
    else:
        with pytest.raises(ValueError, match="Bits must be"):
            Fixed(bits=bits, fraction=fraction)


def test_words_of_q5_10():
    activation = TrainFormats().activation
    assert (activation.low, activation.high, activation.one) == (-32768, 32767, 1024)


def test_one_saturates_where_it_does_not_fit():
    assert Fixed(bits=16, fraction=15).one == 32767
    assert Fixed(bits=16, fraction=-1).one == 0


@given(st.integers(1, 60), st.integers(-8, 40))
def test_outer_product_lands_on_the_weights_last_bit(weight, activation):
    formats = TrainFormats(
        activation=Fixed(fraction=activation), error=Fixed(fraction=13), weight_fraction=weight
    )
    assert formats.activation.fraction + formats.update.fraction == weight
    assert formats.output_shift == weight


@pytest.mark.parametrize("fraction", [0, -3])
def test_weight_without_fraction(fraction):
    expected = f"Weight fraction must be a positive integer, not {fraction}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        TrainFormats(weight_fraction=fraction)
