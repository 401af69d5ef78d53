from dataclasses import replace

import numpy as np
import pytest

from golden.mvm import mtvm, mvm
from golden.slicing import decode
from panther.arch.params import AdcParams, McuParams, SliceParams
from panther.arch.presets import PAPER, TINY


def scalar_mvm(params, cells, x, shift):
    """The same product in plain Python integers, one column, one bit, one slice at a time."""
    bits = params.operand_bits
    words, clipped, saturated = [], [0] * params.slices.count, 0
    for c in range(cells.shape[2]):
        total = 0
        for j in range(bits):
            for k in range(params.slices.count):
                s = sum(int(cells[k, r, c]) for r in range(len(x)) if (int(x[r]) >> j) & 1)
                step, width = params.adc_step_log2[k], params.adc_bits[k]
                code = (s + (1 << step >> 1)) >> step
                high = (1 << (width - 1)) - 1
                if not -high - 1 <= code <= high:
                    clipped[k] += 1
                    code = max(-high - 1, min(high, code))
                sign = -1 if j == bits - 1 else 1
                total += sign * code << (step + k * params.slices.value_bits + j)
        y = (total + (1 << shift >> 1)) >> shift
        rail = (1 << (bits - 1)) - 1
        saturated += not -rail - 1 <= y <= rail
        words.append(max(-rail - 1, min(rail, y)))
    return words, clipped, saturated


@pytest.mark.parametrize("seed", range(30))
def test_equals_the_scalar_definition(corners, seed):
    draw = corners(seed)
    params = draw.params()
    rows, columns = params.rows - seed % 3, params.columns - seed % 4
    cells = draw.cells(params.slices, rows, columns)
    shift = int(draw.rng.integers(0, params.slices.weight_bits))
    x = draw.words(params.operand_bits, rows)
    e = draw.words(params.operand_bits, columns)
    forward = mvm(params, cells, x, shift=shift)
    assert (forward.y.tolist(), forward.clipped.tolist(), forward.saturated) == scalar_mvm(
        params, cells, x, shift
    )
    backward = mtvm(params, cells, e, shift=shift)
    assert (backward.y.tolist(), backward.clipped.tolist(), backward.saturated) == scalar_mvm(
        params, cells.transpose(0, 2, 1), e, shift
    )


@pytest.mark.parametrize("seed", range(10))
def test_lossless_converters_give_the_exact_product(corners, seed):
    draw = corners(seed)
    params = draw.params(lossy=False)
    cells = draw.cells(params.slices, params.rows, params.columns)
    x = draw.words(params.operand_bits, params.rows)
    product = mvm(params, cells, x, shift=40)
    exact = [
        sum(int(a) * int(w) for a, w in zip(x, column, strict=True))
        for column in decode(cells, params.slices).T
    ]
    high = (1 << (params.operand_bits - 1)) - 1
    assert product.y.tolist() == [max(-high - 1, min(high, (t + 2**39) >> 40)) for t in exact]
    assert not product.clipped.any()


def test_sign_step_subtracts():
    cells = np.zeros((3, 1, 1), np.int16)
    cells[0] = 3
    assert mvm(TINY, cells, [-5], shift=0).y.tolist() == [-15]
    assert mvm(TINY, cells, [-128], shift=2).y.tolist() == [-96]


def test_clipping_and_saturation_are_counted():
    params = replace(PAPER, adc=AdcParams(bits=(9,) * 8))
    cells = np.zeros((8, 128, 2), np.int16)
    cells[3, :, 0] = 31  # the sum of 128 rows is 3968; nine bits end at 255
    product = mvm(params, cells, [3] * 128, shift=12)
    assert product.y.tolist() == [3 * 255, 0]
    assert product.clipped.tolist() == [0, 0, 0, 2, 0, 0, 0, 0]
    assert product.saturated == 0
    railed = mvm(params, cells, [3] * 128, shift=0)
    assert railed.y.tolist() == [32767, 0]
    assert railed.saturated == 1


def test_step_of_the_converter_rounds_half_up():
    params = McuParams(
        rows=4,
        columns=4,
        slices=SliceParams(value_bits=4, cell_bits=(5,)),
        adc=AdcParams(bits=(6,), step_log2=(2,)),
    )
    cells = np.array([[[2, -2, 5, -6]]], np.int16)
    assert mvm(params, cells, [1], shift=0).y.tolist() == [4, 0, 4, -4]


def test_operands_that_do_not_fit_are_refused():
    cells = np.zeros((3, 6, 5), np.int16)
    with pytest.raises(ValueError, match=r"Input must have the shape \(6,\), not \(5,\)$"):
        mvm(TINY, cells, [0] * 5, shift=0)
    with pytest.raises(ValueError, match=r"Error must be in the range \[-128, 127\], not 128$"):
        mtvm(TINY, cells, [0, 0, 128, 0, 0], shift=0)
