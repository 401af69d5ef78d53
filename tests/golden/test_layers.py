import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import vfu
from golden.layers import (
    Rate,
    backward,
    bias_row,
    exponential,
    feed,
    learning_rate,
    relu,
    relu_backward,
    scale_error,
    softmax_error,
)
from panther.arch.formats import Fixed, TrainFormats
from panther.arch.isa import Function

FORMATS = TrainFormats()


def test_bias_row_appends_the_word_one():
    assert bias_row([5, -3], FORMATS).tolist() == [5, -3, 1024]
    assert bias_row(np.zeros((2, 3), np.int64), FORMATS).tolist() == [[0, 0, 0, 1024]] * 2


def test_error_passes_a_relu_only_where_the_output_is_positive():
    assert relu([-2, 0, 3]).tolist() == [0, 0, 3]
    assert relu_backward([7, 8, 9], [-2, 0, 3]).tolist() == [0, 0, 9]


def test_layers_in_one_pass_equal_their_parts(corners):
    draw = corners(0)
    rate = Rate(21846, 13)
    for examples, units in ((1, 1), (1, 40), (5, 17)):
        y, back = draw.words(16, (examples, units)), draw.words(16, (examples, units + 1))
        np.testing.assert_array_equal(feed(y, FORMATS, rectify=False), bias_row(y, FORMATS))
        fed = feed(y, FORMATS, rectify=True)
        np.testing.assert_array_equal(fed, bias_row(relu(y), FORMATS))
        errors, updates = backward(back, fed, rate, FORMATS)
        np.testing.assert_array_equal(errors, relu_backward(back[:, :-1], fed[:, :-1]))
        np.testing.assert_array_equal(updates, scale_error(errors, rate, FORMATS))


@pytest.mark.parametrize("fraction", [0, 4, 10, 15])
def test_exponential_is_the_vector_units(fraction):
    gaps = np.arange(32768)
    expected, _ = vfu.compute(Function.EXP, gaps, shift=fraction)
    assert [exponential(int(gap), fraction) for gap in gaps] == expected.tolist()


def test_exponential_to_the_bit():
    # 1.0 in Q5.10: t = (1024 * 47274 + 2**16) >> 17 = 369; EXP2[113] = 12065; >> 1, rounded
    assert [exponential(gap, 10) for gap in (0, 1024, 65535)] == [16384, 6033, 0]


@given(
    st.lists(st.integers(-32768, 32767), min_size=2, max_size=12),
    st.integers(0, 11),
)
def test_softmax_error_in_plain_integers(logits, label):
    label %= len(logits)
    top = max(logits)
    u = []
    for y in logits:
        t = (min(top - y, 32767) * 47274 + (1 << 16)) >> 17
        shift = t >> 8
        u.append((int(vfu.EXP2[t & 255]) + (1 << shift >> 1)) >> shift)
    s = sum(u)
    expected = [((v << 13) + (s >> 1)) // s for v in u]
    expected[label] -= 8192
    for i, y in enumerate(logits):
        if (y == 32767 and expected[i] < 0) or (y == -32768 and expected[i] > 0):
            expected[i] = 0
    assert softmax_error(logits, label, FORMATS).tolist() == expected


@given(st.data(), st.integers(2, 12), st.integers(0, 15), st.integers(0, 14))
def test_softmax_error_is_what_vector_instructions_compute(data, classes, fraction, error_fraction):
    words = st.one_of(st.sampled_from((32767, -32768, 0)), st.integers(-32768, 32767))
    y = np.array(data.draw(st.lists(words, min_size=classes, max_size=classes)))
    label = data.draw(st.integers(0, classes - 1))
    gap, _ = vfu.compute(Function.RSUB, y, vfu.reduce(Function.MAX, y))
    u, _ = vfu.compute(Function.EXP, gap, shift=fraction)
    q, _ = vfu.compute(Function.DIV, u, vfu.reduce(Function.SUM, u), shift=error_fraction)
    one_hot = np.where(np.arange(classes) == label, 1 << error_fraction, 0)
    e, saturated = vfu.compute(Function.SUB, q, one_hot)
    e, _ = vfu.compute(Function.SATG, e, y)
    formats = TrainFormats(
        activation=Fixed(bits=16, fraction=fraction), error=Fixed(bits=16, fraction=error_fraction)
    )
    assert saturated == 0
    assert softmax_error(y, label, formats).tolist() == e.tolist()


def test_softmax_error_is_near_the_real_gradient():
    rng = np.random.default_rng(0)
    logits = rng.integers(-6000, 6000, (50, 10))
    labels = rng.integers(0, 10, 50)
    e = softmax_error(logits, labels, FORMATS)
    z = np.exp(logits / 1024 - logits.max(axis=1, keepdims=True) / 1024)
    real = z / z.sum(axis=1, keepdims=True) - np.eye(10)[labels]
    assert np.abs(e / 8192 - real).max() < 0.003


def test_no_error_pushes_a_saturated_logit_further_out():
    # the right class is at the top rail, a wrong one at the bottom: both want to go on
    e = softmax_error([32767, 32767, -32768], 0, FORMATS)
    assert e[0] == 0  # p = 1/2, error -1/2 would push it up
    assert e[1] == 4096  # wants to come back: kept
    assert e[2] == 0
    e = softmax_error([-32768, -32768, -32768], 1, FORMATS)
    assert e.tolist() == [0, 2731 - 8192, 0]


@pytest.mark.parametrize("label", [-1, 10])
def test_label_that_is_no_class_is_refused(label):
    with pytest.raises(ValueError, match=rf"^Label must be in the range \[0, 9\], not {label}$"):
        softmax_error([0] * 10, label, FORMATS)


@pytest.mark.parametrize(
    ("lr", "batch", "rate"),
    [
        (1 / 32, 1, Rate(1 << 14, 14)),  # update has five more fraction bits than error
        (1 / 2, 32, Rate(1 << 14, 15)),
        (0.1, 1, Rate(26214, 13)),
    ],
)
def test_learning_rate_folds_in_batch_and_formats(lr, batch, rate):
    assert learning_rate(lr, batch, FORMATS) == rate


@given(st.floats(1e-6, 100), st.integers(1, 64))
def test_learning_rate_keeps_fifteen_significant_bits(lr, batch):
    factor = lr / batch * 32
    if not 2**-16 <= factor < 32767:
        return
    rate = learning_rate(lr, batch, FORMATS)
    assert 1 << 14 <= rate.multiplier < 1 << 15
    assert math.isclose(rate.multiplier * 2.0**-rate.shift, factor, rel_tol=2**-15)


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_learning_rate_must_be_positive_and_finite(lr):
    with pytest.raises(ValueError, match=r"^Learning rate must be positive and finite, not"):
        learning_rate(lr, 1, FORMATS)


def test_learning_rate_that_cannot_be_expressed_is_refused():
    with pytest.raises(ValueError, match=r"^Learning rate over batch must scale .* not 3.2e-08$"):
        learning_rate(1e-9, 1, FORMATS)
    with pytest.raises(ValueError, match=r"^Batch must be a positive integer, not 0$"):
        learning_rate(0.1, 0, FORMATS)


def test_scaled_error_is_negative_rounded_and_saturated():
    rate = Rate(1 << 14, 15)  # one half
    assert scale_error([3, -3, 1, -1], rate, FORMATS).tolist() == [-1, 2, 0, 1]
    fast = learning_rate(4.0, 1, FORMATS)
    assert scale_error([8191, -8192], fast, FORMATS).tolist() == [-32768, 32767]


def test_formats_of_the_update_follow_weight_and_activation():
    formats = TrainFormats(
        activation=Fixed(bits=8, fraction=4), error=Fixed(bits=8, fraction=6), weight_fraction=10
    )
    assert formats.update.fraction == 6
    assert learning_rate(0.5, 1, formats) == Rate(1 << 14, 15)
