import numpy as np
import pytest

from golden.fixed import saturate
from golden.matrix import LiteralMatrix
from golden.mvm import mtvm, mvm
from golden.slicing import encode
from panther.arch.presets import PAPER, TINY


def filled(params, rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return LiteralMatrix(params, rng.integers(-2000, 2000, (rows, columns)))


def test_tiles_are_requantised_and_added_in_ascending_order():
    matrix = filled(TINY, 13, 9)  # 3 x 2 crossbars of 6 x 5
    rng = np.random.default_rng(1)
    x, e = rng.integers(-128, 128, 13), rng.integers(-128, 128, 9)
    cells = matrix.cells
    y = np.zeros(9, np.int64)
    for rows in (slice(0, 6), slice(6, 12), slice(12, 13)):
        for columns in (slice(0, 5), slice(5, 9)):
            part = mvm(TINY, cells[:, rows, columns], x[rows], shift=9).y
            y[columns] = saturate(y[columns] + part, 8)
    assert matrix.mvm(x, 9).tolist() == y.tolist()
    back = np.zeros(13, np.int64)
    for rows in (slice(0, 6), slice(6, 12), slice(12, 13)):
        for columns in (slice(0, 5), slice(5, 9)):
            part = mtvm(TINY, cells[:, rows, columns], e[columns], shift=9).y
            back[rows] = saturate(back[rows] + part, 8)
    assert matrix.mtvm(e, 9).tolist() == back.tolist()


def test_order_of_saturating_adds_matters_and_is_counted():
    # tiles of six rows give 100, 100 and -100: 127 - 100, not 100
    matrix = LiteralMatrix(TINY, np.array([[100]] * 13) * [[1]])
    x = [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, -1]
    assert matrix.mvm(x, 0).tolist() == [27]
    assert matrix.counters.add_saturated == 1
    assert matrix.counters.saturated == 0


def test_tile_that_saturates_is_counted():
    matrix = LiteralMatrix(TINY, [[100], [100]])
    assert matrix.mvm([1, 1], 0).tolist() == [127]
    assert matrix.counters.saturated == 1
    assert matrix.counters.add_saturated == 0


def test_outer_product_then_resolution_moves_the_weights():
    matrix = LiteralMatrix(PAPER, np.zeros((3, 2), np.int64))
    matrix.opa([1, 2, -3], [3, -1])
    assert matrix.weights.tolist() == [[3, -1], [6, -2], [-9, 3]]
    matrix.opa([5, 0, 0], [2, 0])
    matrix.crs()
    assert matrix.weights.tolist() == [[13, -1], [6, -2], [-9, 3]]
    assert matrix.cells[:2, 0, 0].tolist() == [-3, 1]
    assert matrix.counters.opa_saturated == (0,) * 8


def test_batch_is_one_example_after_another():
    matrix, other = filled(TINY, 8, 7), filled(TINY, 8, 7)
    rng = np.random.default_rng(2)
    x, e = rng.integers(-128, 128, (4, 8)), rng.integers(-128, 128, (4, 7))
    assert (matrix.mvm(x, 8) == [other.mvm(row, 8) for row in x]).all()
    assert (matrix.mtvm(e, 8) == [other.mtvm(row, 8) for row in e]).all()
    matrix.opa(x, e)
    for row, column in zip(x, e, strict=True):
        other.opa(row, column)
    assert (matrix.cells == other.cells).all()
    assert matrix.counters == other.counters
    assert sum(matrix.counters.opa_saturated) > 0


def test_loaded_cells_are_copied():
    matrix = LiteralMatrix(TINY, [[0, 0]])
    cells = encode([[5, -7]], TINY.slices)
    matrix.load(cells)
    cells[:] = 0
    assert matrix.weights.tolist() == [[5, -7]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.mvm([1, 2], 0), r"Input must have the shape \(3,\), not \(2,\)"),
        (lambda m: m.mvm([[[1, 2, 3]]], 0), r"Input must have the shape \(1, 3\), not \(1, 1, 3\)"),
        (lambda m: m.mtvm([[1, 200]], 0), r"Error must be in the range \[-128, 127\], not 200"),
        (
            lambda m: m.opa([[1, 2, 3]] * 2, [[1, 2]]),
            "Errors must be as many as the 2 inputs, not 1",
        ),
        (lambda m: m.opa([1.5, 2, 3], [1, 2]), "Input must be integers, not of type float64"),
        (lambda m: m.load(np.zeros((3, 2, 2), int)), r"Cells must be of 3 x 2 weights, not .*"),
        (
            lambda m: m.mvm([1, 2, 3], 64),
            r"Shift must be an integer in the range \[0, 63\], not 64",
        ),
    ],
)
def test_wrong_operands_are_refused(call, message, matrix_class):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call(matrix_class(TINY, np.zeros((3, 2), int)))


@pytest.mark.parametrize("weights", [[1, 2], [[]], np.zeros((2, 2, 2), int)])
def test_weights_that_are_no_matrix_are_refused(weights, matrix_class):
    with pytest.raises(ValueError, match=r"^Weights must have the shape \(rows, columns\), not"):
        matrix_class(TINY, weights)
