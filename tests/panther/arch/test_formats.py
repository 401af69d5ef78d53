import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panther.arch.formats import Fixed, TrainFormats


@pytest.mark.parametrize("bits", [1, 65, -16, 16.5, True, "x", None])
def test_impossible_width(bits):
    expected = f"Bits must be an integer in the range [2, 64], not {bits!r}"
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


@given(st.integers(1, 63), st.integers(0, 47))
def test_outer_product_lands_on_the_weights_last_bit(weight, activation):
    formats = TrainFormats(
        activation=Fixed(fraction=activation), error=Fixed(fraction=13), weight_fraction=weight
    )
    assert formats.activation.fraction + formats.update.fraction == weight
    assert formats.output_shift == weight


@pytest.mark.parametrize("fraction", [1.5, True, "a", 129, -129])
def test_impossible_fraction(fraction):
    expected = f"Fraction must be an integer in the range [-128, 128], not {fraction!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        Fixed(fraction=fraction)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        *(
            (
                {"weight_fraction": fraction},
                f"Weight fraction must be an integer in the range [1, 63], not {fraction!r}",
            )
            for fraction in (0, -3, 64, "a")
        ),
        ({"activation": 10}, "Activation format must be Fixed, not 10"),
        ({"error": None}, "Error format must be Fixed, not None"),
        (
            {"activation": Fixed(fraction=-1)},
            "Activation fraction must be an integer in the range [0, 47], not -1",
        ),
        (
            {"error": Fixed(fraction=48)},
            "Error fraction must be an integer in the range [0, 47], not 48",
        ),
    ],
)
def test_impossible_formats(keywords, expected):
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        TrainFormats(**keywords)


junk = (
    st.integers()
    | st.integers(-130, 130)
    | st.floats()
    | st.none()
    | st.booleans()
    | st.text(max_size=40)
    | st.lists(st.integers(), max_size=3)
    | st.builds(Fixed, fraction=st.integers(-128, 128))
)


@given(st.dictionaries(st.sampled_from(["bits", "fraction"]), junk))
def test_any_format_is_right_or_a_value_error(keywords):
    try:
        outcome = Fixed(**{"fraction": 10, **keywords})
    except ValueError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert re.fullmatch(r"(Bits|Fraction) must be .*, not .*", outcome)
    else:
        assert outcome.low <= outcome.one <= outcome.high


@given(st.dictionaries(st.sampled_from(["activation", "error", "weight_fraction"]), junk))
def test_any_formats_are_right_or_a_value_error(keywords):
    try:
        outcome = TrainFormats(**keywords)
    except ValueError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert re.fullmatch(r"\w+ (format|fraction) must be .*, not .*", outcome)
    else:
        assert outcome.update.bits == outcome.error.bits
