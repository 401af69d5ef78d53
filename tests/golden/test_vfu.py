import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import vfu
from golden.vfu import compute, random_words, reduce, step
from panther.arch import tables
from panther.arch.isa import Function

ALL = np.arange(-32768, 32768)
words = st.one_of(st.sampled_from((0, 1, -1, 32767, -32768)), st.integers(-32768, 32767))


def one(function, a, b=0, *, shift=0):
    """A single element: its word, and whether it saturated."""
    result, saturated = compute(function, [a], b, shift=shift)
    return int(result[0]), saturated


def clipped(exact):
    word = max(-32768, min(32767, exact))
    return word, int(word != exact)


@pytest.mark.parametrize(
    ("function", "a", "b", "expected"),
    [
        (Function.ADD, 32767, 1, (32767, 1)),
        (Function.ADD, -5, 3, (-2, 0)),
        (Function.SUB, -32768, 1, (-32768, 1)),
        (Function.SUB, 0, -32768, (32767, 1)),
        (Function.RSUB, 7, 5, (-2, 0)),
        (Function.RSUB, 1, -32768, (-32768, 1)),
        (Function.AND, 0b1100, 0b1010, (0b1000, 0)),
        (Function.OR, 0b1100, 0b1010, (0b1110, 0)),
        (Function.ANDN, 0b1100, 0b1010, (0b0100, 0)),
        (Function.CGT, 3, 2, (-1, 0)),
        (Function.CGT, 3, 3, (0, 0)),
        (Function.CEQ, 3, 3, (-1, 0)),
        (Function.CEQ, 3, -3, (0, 0)),
        (Function.MAX, -3, 0, (0, 0)),
        (Function.MIN, -3, 0, (-3, 0)),
        (Function.MOV, -3, 9, (-3, 0)),
        (Function.SATG, -3, 32767, (0, 0)),
        (Function.SATG, 3, 32767, (3, 0)),
        (Function.SATG, 3, -32768, (0, 0)),
        (Function.SATG, -3, -32768, (-3, 0)),
        (Function.SATG, -3, 32766, (-3, 0)),
        (Function.SATG, 3, -32767, (3, 0)),
    ],
)
def test_functions_without_a_shift(function, a, b, expected):
    assert one(function, a, b) == expected
    assert one(function, a, [b]) == expected
    # of a number only the low 16 bits count
    assert one(function, a, b + 0x50000) == expected


@given(words, words, st.integers(0, 31))
def test_product_is_rounded_to_nearest_ties_up(a, b, shift):
    exact = math.floor(Fraction(a * b, 1 << shift) + Fraction(1, 2))
    assert one(Function.MUL, a, [b], shift=shift) == clipped(exact)


@given(words, st.integers(0, 15))
def test_shifts(a, shift):
    nearest = math.floor(Fraction(a, 1 << shift) + Fraction(1, 2))
    assert one(Function.SHR, a, shift=shift) == (nearest, 0)
    assert one(Function.SHL, a, shift=shift) == clipped(a * 2**shift)


@given(words, st.integers(-(2**31), 2**31 - 1).filter(bool), st.integers(0, 15))
def test_quotient_is_rounded_to_nearest_ties_away_from_zero(a, b, shift):
    exact = Fraction(a * 2**shift, b)
    size = math.floor(abs(exact) + Fraction(1, 2))
    assert one(Function.DIV, a, b, shift=shift) == clipped(size if exact > 0 else -size)


def test_saturated_words_are_counted():
    assert compute(Function.ADD, [32767, 0, -32768, 32766], [1, 0, -1, 1])[1] == 2


# ---- table functions against the real ones

REAL = {
    # the real function, its fraction bits, and by how many units in the last place golden is off:
    # the exponential takes the nearest of 256 points an octave
    Function.EXP: (lambda x: np.exp(-np.maximum(x, 0)), 14, 22.4),
    Function.SIGMOID: (lambda x: 1 / (1 + np.exp(-np.maximum(x, -700))), 14, 1.27),
    Function.TANH: (np.tanh, 14, 2.04),
    Function.LOG: (lambda x: np.log(np.maximum(x, 2.0**-15)), 10, 0.53),
    Function.RECIP: (lambda x: 1 / np.where(x == 0, 1, x), 10, 0.79),
}


@pytest.mark.parametrize("fraction", range(16))
@pytest.mark.parametrize("function", REAL)
def test_table_function_is_near_the_real_one(function, fraction):
    real, places, bound = REAL[function]
    exact = real(ALL / 2.0**fraction) * 2.0**places
    legal = {Function.LOG: ALL > 0, Function.RECIP: ALL != 0}.get(function, ALL == ALL)
    result, saturated = compute(function, ALL, shift=fraction)
    limited = np.clip(exact, -32768, 32767)
    assert np.abs(result - limited)[legal].max() <= bound
    too_large = legal & ((exact > 32767.5) | (exact < -32768.5))
    assert saturated == np.count_nonzero(too_large) + np.count_nonzero(~legal)


@pytest.mark.parametrize("fraction", range(16))
def test_symmetries(fraction):
    positive = np.arange(1, 32768)
    for function, centre in ((Function.TANH, 0), (Function.SIGMOID, 1 << 14)):
        up = compute(function, positive, shift=fraction)[0]
        down = compute(function, -positive, shift=fraction)[0]
        np.testing.assert_array_equal(up + down, centre)
        assert (np.diff(up) >= 0).all()
    unsaturated = positive[positive > 1 << max(fraction - 5, 0)]
    up = compute(Function.RECIP, unsaturated, shift=fraction)[0]
    np.testing.assert_array_equal(compute(Function.RECIP, -unsaturated, shift=fraction)[0], -up)


def test_limits_are_reached_exactly():
    assert one(Function.EXP, -5, shift=3) == (16384, 0)
    assert one(Function.EXP, 0, shift=3) == (16384, 0)
    assert one(Function.EXP, 32767, shift=0) == (0, 0)
    for a in (8, 9, 32767):  # the table ends at 8
        assert one(Function.TANH, a) == (16384, 0)
        assert one(Function.TANH, -a) == (-16384, 0)
    for a in (16, 32767):
        assert one(Function.SIGMOID, a) == (16384, 0)
        assert one(Function.SIGMOID, -a) == (0, 0)
    assert one(Function.TANH, 0) == (0, 0)
    assert one(Function.SIGMOID, 0) == (8192, 0)
    assert one(Function.TANH, -32768) == (-16384, 0)


def test_arguments_without_a_result_saturate():
    assert one(Function.LOG, 1) == (0, 0)
    assert one(Function.LOG, 0) == (-32768, 1)
    assert one(Function.LOG, -1, shift=15) == (-32768, 1)
    assert one(Function.RECIP, 0) == (32767, 1)
    assert one(Function.RECIP, 1, shift=5) == (32767, 1)
    assert one(Function.RECIP, -1, shift=5) == (-32768, 0)
    assert one(Function.RECIP, -1, shift=6) == (-32768, 1)
    assert one(Function.RECIP, -32768, shift=15) == (-1024, 0)


def test_exponential_to_the_bit():
    # 1.0 in Q5.10: t = (1024 * 47274 + 2**16) >> 17 = 369; EXP2[113] = 12065; >> 1, rounded
    assert vfu.EXP2[113] == 12065
    assert one(Function.EXP, 1024, shift=10) == (6033, 0)


def test_logarithm_to_the_bit():
    # 3 = 2 * (1 + 1/2): ln(2) * 2**16 = 45426 and the point in the middle, 26573
    assert vfu.LOG[128] == 26573
    assert one(Function.LOG, 3) == ((45426 + 26573 + 32) >> 6, 0)


@pytest.mark.parametrize("name", ["EXP2", "TANH", "LOG", "RECIP", "LOG2_E", "LN_2", "REST_BITS"])
def test_tables_of_hardware_and_twin_are_these(name):
    np.testing.assert_array_equal(getattr(tables, name), getattr(vfu, name))


def test_no_point_is_so_near_a_tie_that_machines_could_differ():
    for exact in (
        2.0 ** (14 - np.arange(1, 256) / 256),
        np.tanh(np.arange(1, 257) / 32) * 2**16,
        np.log1p(np.arange(1, 257) / 256) * 2**16,
        2**16 / (1 + np.arange(257) / 256),
    ):
        assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-9


# ---- stochastic rounding


def test_generator_to_the_bit():
    assert step(1) == 0x80000000
    assert step(0x80000000) == 0x40000000
    assert [step(1 << tap) >> 31 for tap in range(8)] == [1, 0, 1, 0, 0, 0, 1, 1]


def _product(a, b):
    """Of two polynomials over {0, 1}, modulo the generator's."""
    result = 0
    for bit in range(32):
        if b >> bit & 1:
            result ^= a << bit
    for bit in range(63, 31, -1):
        if result >> bit & 1:
            result ^= (1 << 32 | 1 << 7 | 1 << 6 | 1 << 2 | 1) << (bit - 32)
    return result


def _power(exponent):
    result, factor = 1, 2
    while exponent:
        if exponent & 1:
            result = _product(result, factor)
        factor, exponent = _product(factor, factor), exponent >> 1
    return result


def test_generator_has_the_longest_period():
    # x has the order 2**32 - 1 = 3 * 5 * 17 * 257 * 65537
    assert _power(2**32 - 1) == 1
    for prime in (3, 5, 17, 257, 65537):
        assert _power((2**32 - 1) // prime) != 1


def test_every_group_takes_four_numbers():
    numbers, state = random_words(99, 8)
    assert numbers[7] == state
    for words_used in (5, 6, 7, 8):
        fewer, after = random_words(99, words_used)
        np.testing.assert_array_equal(fewer, numbers[:words_used])
        assert after == state
    assert random_words(99, 4)[1] == numbers[3]


SAMPLE = 20000


@pytest.fixture(scope="module")
def numbers():
    return random_words(1, SAMPLE)[0]


@pytest.mark.parametrize("rest", [1, 77, 128, 200, 255])
def test_stochastic_rounding_has_the_right_mean(numbers, rest):
    """Within four standard deviations of what independent numbers yield."""
    result, _ = compute(Function.SHR, np.full(SAMPLE, 256 + rest), shift=8, random=numbers)
    assert set(np.unique(result)) <= {1, 2}
    share = rest / 256
    bound = 4 * math.sqrt(share * (1 - share) / SAMPLE)
    assert abs((result == 2).mean() - share) < bound


def test_lanes_and_neighbours_are_not_correlated(numbers):
    """Correlation of rounding errors within four standard deviations of none."""
    a = np.random.default_rng(0).integers(-32768, 32768, SAMPLE)
    result, _ = compute(Function.SHR, a, shift=12, random=numbers)
    error = result - a / 4096
    lanes = [error[lane::4] for lane in range(4)]
    bound = 4 / math.sqrt(SAMPLE / 4)
    for i in range(4):
        for j in range(4):
            if i < j:
                assert abs(np.corrcoef(lanes[i], lanes[j])[0, 1]) < bound
            # a lane now and another, or itself, one group on
            assert abs(np.corrcoef(lanes[i][:-1], lanes[j][1:])[0, 1]) < bound


def test_stochastic_rounding_leaves_what_is_exact(numbers):
    a = np.arange(-2048, 2048)
    few = numbers[: a.size]
    np.testing.assert_array_equal(compute(Function.MUL, a, 8, shift=3, random=few)[0], a)
    np.testing.assert_array_equal(compute(Function.SHR, a, shift=0, random=few)[0], a)


def test_stochastic_rounding_takes_the_top_bits():
    random = np.array([0x3FFFFFFF, 0x40000000, 0xFFFFFFFF])
    result, _ = compute(Function.SHR, [3, 3, -1], shift=2, random=random)
    assert result.tolist() == [0, 1, 0]  # 3 + 0, 3 + 1, -1 + 3, over 4


def test_only_products_and_right_shifts_round_stochastically(numbers):
    a = ALL[:SAMPLE]
    for function in set(Function) - {Function.MUL, Function.SHR, Function.SUM}:
        nearest, by_chance = (compute(function, a, 3, shift=4, random=r) for r in (None, numbers))
        np.testing.assert_array_equal(nearest[0], by_chance[0])


# ---- reductions, and what is refused


@given(st.lists(words, min_size=1, max_size=30))
def test_reductions(a):
    assert reduce(Function.MAX, a) == max(a)
    assert reduce(Function.SUM, a) == sum(a)


def test_what_is_no_operation_is_refused():
    with pytest.raises(ValueError, match=r"^SUM must be asked of reduce$"):
        compute(Function.SUM, [1])
    with pytest.raises(ValueError, match=r"^Reduction must be MAX or SUM, not ADD$"):
        reduce(Function.ADD, [1])
    with pytest.raises(ValueError, match=r"^Words must be in the range .*, not 32768$"):
        compute(Function.ADD, [32768])
    with pytest.raises(ValueError, match=r"^Shift must be an integer in the range \[0, 15\], not"):
        compute(Function.SHR, [1], shift=16)
    with pytest.raises(ValueError, match=r"^Shift must be an integer in the range \[0, 31\], not"):
        compute(Function.MUL, [1], shift=32)
    for state in (0, 1 << 32):
        with pytest.raises(ValueError, match=r"^State must be an integer in the range .*, not"):
            random_words(state, 1)
