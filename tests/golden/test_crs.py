import numpy as np
import pytest

from golden.crs import crs
from golden.slicing import decode, encode, weight_range
from panther.arch.presets import PAPER, TINY


@pytest.mark.parametrize("seed", range(30))
def test_weights_keep_their_value_and_cells_become_canonical(corners, seed):
    draw = corners(seed)
    params = draw.params()
    cells = draw.cells(params.slices, params.rows, params.columns)
    resolved = crs(params, cells)
    low, high = weight_range(params.slices)
    weights = decode(cells, params.slices)
    kept = (weights >= low) & (weights <= high)
    after = decode(resolved.cells, params.slices)
    assert (after[kept] == weights[kept]).all()
    assert (after[~kept] != weights[~kept]).all()
    assert resolved.saturated == np.count_nonzero(~kept)
    assert (resolved.cells == encode(after, params.slices)).all()
    for k in range(params.slices.count):
        low, high = params.slices.cell_range(k)
        assert resolved.at_limit[k] == sum(int(value) in (low, high) for value in cells[k].ravel())


def test_resolution_is_idempotent(corners):
    draw = corners(1)
    cells = draw.cells(PAPER.slices, 9, 7)
    once = crs(PAPER, cells).cells
    assert (crs(PAPER, once).cells == once).all()


def test_carry_runs_through_all_slices_and_the_top_saturates():
    cells = np.array([[[8, -9]], [[7, -8]], [[15, -16]]], np.int16)
    resolved = crs(TINY, cells)
    # 8 -> -8 carry 1; 7 + 1 -> -8 carry 1; 15 + 1 saturates at 15
    assert resolved.cells[:, 0, 0].tolist() == [-8, -8, 15]
    # -9 -> 7 carry -1; -8 - 1 -> 7 carry -1; -16 - 1 saturates at -16
    assert resolved.cells[:, 0, 1].tolist() == [7, 7, -16]
    assert resolved.saturated == 2
    assert resolved.at_limit.tolist() == [0, 0, 2]
    assert cells[0, 0, 0] == 8
