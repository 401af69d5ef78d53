import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from golden import vfu as golden
from models.system.vfu import Vfu, compute, make_vfu, next_word, reduce
from panther.arch.isa import Function

ALL = np.arange(-32768, 32768).astype(np.int16)
NONE = np.empty(0, np.int16)
BINARY = (
    Function.ADD, Function.SUB, Function.RSUB, Function.AND, Function.OR, Function.ANDN,
    Function.CGT, Function.CEQ, Function.MAX, Function.MIN, Function.MOV, Function.SATG,
)  # fmt: skip
SHIFTED = (
    Function.SHL, Function.SHR, Function.EXP, Function.SIGMOID, Function.TANH, Function.LOG,
    Function.RECIP,
)  # fmt: skip
EDGES = (0, 1, -1, 2, 32767, -32768, 255, -16384)
words = st.one_of(st.sampled_from(EDGES), st.integers(-32768, 32767))
vectors = st.lists(words, min_size=1, max_size=21)


def check(function, a, b=0, *, shift=0, rounding=0, seed=1):
    """One vector through twin and golden; all registers of the twin must agree, too."""
    vfu = make_vfu()
    vfu.rounding[0], vfu.seed[0] = rounding, seed
    a = np.asarray(a, np.int16)
    vector = np.ndim(b) > 0
    second, scalar = (np.asarray(b, np.int16), 0) if vector else (NONE, int(b))
    out = np.empty_like(a)
    compute(vfu, int(function), a, second, vector, scalar, shift, out)

    random, state = None, seed
    if rounding and function in golden.ROUNDED:
        random, state = golden.random_words(seed, a.size)
    expected, saturated = golden.compute(function, a, b, shift=shift, random=random)
    np.testing.assert_array_equal(out, expected)
    assert (vfu.saturated[0], vfu.seed[0], vfu.rounding[0]) == (saturated, state, rounding)


@pytest.mark.parametrize("function", SHIFTED)
def test_every_word_at_every_shift(function):
    for shift in range(16):
        check(function, ALL, shift=shift)


@pytest.mark.parametrize("function", BINARY)
def test_every_word_with_words_and_numbers(function):
    rng = np.random.default_rng(function)
    check(function, ALL, rng.integers(-32768, 32768, ALL.size))
    check(function, ALL, rng.choice(EDGES, ALL.size))
    check(function, ALL, np.clip(ALL.astype(int) + rng.integers(-1, 2, ALL.size), -32768, 32767))
    for number in (*EDGES, 0x12348000, -40000, 0x7FFFFFFF):
        check(function, ALL, number)


@pytest.mark.parametrize("shift", range(32))
def test_products(shift):
    rng = np.random.default_rng(shift)
    check(Function.MUL, ALL, rng.integers(-32768, 32768, ALL.size), shift=shift)
    for number in (*EDGES, 0x18000):
        check(Function.MUL, ALL, number, shift=shift)


@pytest.mark.parametrize("shift", range(16))
def test_quotients(shift):
    rng = np.random.default_rng(shift)
    for divisor in (1, -1, 2, 3, -7, 40000, 163840, 0x7FFFFFFF, -0x80000000):
        check(Function.DIV, ALL, divisor, shift=shift)
    for divisor in rng.integers(1, 1 << 31, 4) >> rng.integers(0, 30, 4):
        check(Function.DIV, ALL, max(divisor, 1), shift=shift)


@given(st.sampled_from((*BINARY, Function.MUL)), st.data(), st.integers(0, 31))
def test_short_vectors(function, data, shift):
    a = data.draw(vectors)
    b = data.draw(st.lists(words, min_size=len(a), max_size=len(a)))
    check(function, a, b, shift=shift if function is Function.MUL else 0)


@given(
    st.sampled_from(golden.ROUNDED), vectors, words, st.integers(0, 31), st.integers(1, 2**32 - 1)
)
def test_stochastic_rounding(function, a, b, shift, seed):
    shift %= 32 if function is Function.MUL else 16
    check(function, a, b, shift=shift, rounding=1, seed=seed)
    check(function, a, [b] * len(a), shift=shift, rounding=1, seed=seed)


@pytest.mark.parametrize("function", [Function.ADD, Function.DIV, Function.EXP, Function.MAX])
def test_what_does_not_round_leaves_the_generator(function):
    check(function, ALL[:9], 5, shift=3, rounding=1, seed=77)


@given(st.integers(1, 2**32 - 1))
def test_generator_takes_thirty_two_steps_at_once(state):
    assert next_word(state) == golden.random_words(state, 1)[0][0]


@given(vectors)
def test_reductions(a):
    for function in (Function.MAX, Function.SUM):
        assert reduce(int(function), np.array(a, np.int16)) == golden.reduce(function, a)


def test_sum_of_the_longest_vector():
    for word in (-32768, 32767):
        assert reduce(int(Function.SUM), np.full(1023, word, np.int16)) == 1023 * word


@pytest.mark.parametrize("function", [f for f in Function if f is not Function.SUM])
def test_result_may_replace_an_operand(function):
    a, b = ALL[::977].copy(), ALL[::977][::-1].copy()
    vector = function is not Function.DIV
    for target in (a.copy(), b.copy()):
        apart, vfu = np.empty_like(a), make_vfu()
        compute(vfu, int(function), a, b, vector, 7, 3, apart)
        first = target if np.array_equal(target, a) else a
        second = b if first is target else target
        compute(vfu, int(function), first, second, vector, 7, 3, target)
        np.testing.assert_array_equal(target, apart)


def test_result_may_begin_before_an_operand():
    memory = ALL[100:200].copy()
    expected = memory[3:64].astype(int) + 5
    compute(make_vfu(), int(Function.ADD), memory[3:64], NONE, False, 5, 0, memory[0:61])
    np.testing.assert_array_equal(memory[:61], expected)


def test_saturated_words_are_counted_modulo_the_register():
    vfu = make_vfu()
    vfu.saturated[0] = 0xFFFFFFFE
    a = np.full(5, 32767, np.int16)
    compute(vfu, int(Function.ADD), a, NONE, False, 1, 0, np.empty_like(a))
    assert vfu.saturated[0] == 3


def test_registers_after_reset():
    assert [int(register[0]) for register in make_vfu()] == [0, 1, 0]


@njit
def _from_compiled_code(vfu: Vfu, a, out):
    compute(vfu, 0, a[4:12], a[8:16], True, 0, 0, out[1:9])
    return reduce(21, out[1:9])


def test_called_from_compiled_code():
    a, out = ALL[40000:40016].copy(), np.zeros(16, np.int16)
    assert _from_compiled_code(make_vfu(), a, out) == int(out.sum())
    np.testing.assert_array_equal(out[1:9], a[4:12] + a[8:16])
