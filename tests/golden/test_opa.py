import numpy as np
import pytest

from golden.opa import opa
from golden.slicing import decode
from panther.arch.params import SliceParams
from panther.arch.presets import PAPER, TINY


def closed_form(params, cells, x, e):
    """Clip once: ``c + sign * sum_j bit_j(|x|) D_k(|e| << j)`` in plain Python integers."""
    p, top = params.slices.value_bits, params.slices.count - 1
    after, saturated = cells.astype(np.int64), [0] * (top + 1)
    for k, r, c in np.ndindex(cells.shape):
        move = 0
        for j in range(params.operand_bits):
            if (abs(int(x[r])) >> j) & 1:
                value = (abs(int(e[c])) << j) >> (k * p)
                move += value if k == top else value % (1 << p)
        move *= int(np.sign(x[r])) * int(np.sign(e[c]))
        low, high = params.slices.cell_range(k)
        result = int(cells[k, r, c]) + move
        saturated[k] += not low <= result <= high
        after[k, r, c] = min(high, max(low, result))
    return after, saturated


@pytest.mark.parametrize("seed", range(40))
def test_pulses_equal_the_closed_form(corners, seed):
    draw = corners(seed)
    params = draw.params()
    rows, columns = min(9, params.rows), min(7, params.columns)
    cells = draw.cells(params.slices, rows, columns)
    x = draw.words(params.operand_bits, rows)
    e = draw.words(params.operand_bits, columns)
    updated = opa(params, cells, x, e)
    after, saturated = closed_form(params, cells, x, e)
    assert (updated.cells == after).all()
    assert updated.saturated.tolist() == saturated


def test_outer_product_lands_on_the_weight_when_nothing_saturates():
    wide = SliceParams(value_bits=4, cell_bits=(12,) * 8)
    params = type(PAPER)(rows=8, columns=8, slices=wide)
    rng = np.random.default_rng(3)
    cells = rng.integers(-8, 8, (8, 5, 6)).astype(np.int16)
    x = np.array([0, -32768, 32767, -1, 517])
    e = np.array([1, -1, 32767, -32768, 0, -1234])
    updated = opa(params, cells, x, e)
    change = decode(updated.cells, wide) - decode(cells, wide)
    assert (change == np.outer(x, e)).all()
    assert not updated.saturated.any()


def test_every_polarity_moves_the_cell_by_the_sign_of_the_product():
    cells = np.zeros((3, 2, 2), np.int16)
    updated = opa(TINY, cells, [2, -2], [3, -3])
    assert updated.cells[0].tolist() == [[6, -6], [-6, 6]]


def test_saturation_is_counted_per_slice_and_input_is_left_alone():
    cells = np.full((3, 1, 2), 15, np.int16)
    updated = opa(TINY, cells, [1], [1, -1])
    assert updated.cells[:, 0].tolist() == [[15, 14], [15, 15], [15, 15]]
    assert updated.saturated.tolist() == [1, 0, 0]
    assert (cells == 15).all()


def test_bits_above_the_top_slice_widen_its_digit():
    cells = np.zeros((3, 1, 1), np.int16)
    updated = opa(TINY, cells, [64], [0x55])  # one pulse of 0x1540: digits 0, 4 and 0x15
    assert updated.cells[:, 0, 0].tolist() == [0, 4, 15]
    assert updated.saturated.tolist() == [0, 0, 1]
