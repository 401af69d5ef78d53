import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.slicing import check_cells, check_crossbar, decode, encode, weight_bound, weight_range
from panther.arch.params import SliceParams
from panther.arch.presets import TINY


@st.composite
def slicings(draw):
    value_bits = draw(st.integers(1, 8))
    count = draw(st.integers(1, 32 // value_bits))
    widths = st.integers(value_bits, 16)
    cell_bits = draw(st.lists(widths, min_size=count, max_size=count))
    return SliceParams(value_bits=value_bits, cell_bits=tuple(cell_bits))


@given(slicings(), st.data())
def test_decode_undoes_encode_and_cells_are_canonical(slices, data):
    low, high = weight_range(slices)
    weights = [low, high, *data.draw(st.lists(st.integers(low, high), min_size=4, max_size=4))]
    cells = encode(np.array(weights).reshape(2, 3), slices)
    assert cells.dtype == np.int16
    assert cells.shape == (slices.count, 2, 3)
    assert decode(cells, slices).ravel().tolist() == weights
    half = 1 << (slices.value_bits - 1)
    assert ((cells[:-1] >= -half) & (cells[:-1] < half)).all()
    check_cells(cells, slices)


@given(slicings())
def test_bound_covers_every_cell_value(slices):
    lowest = np.array([[[slices.cell_range(k)[0]]] for k in range(slices.count)])
    assert -decode(lowest, slices)[0, 0] == weight_bound(slices)


def test_paper_slicing_by_hand():
    slices = SliceParams()
    cells = encode([[0x12345678, -1]], slices)
    # 8 is one above the largest digit: it becomes -8 and carries one
    assert cells[:, 0, 0].tolist() == [-8, -8, 7, 5, 4, 3, 2, 1]
    assert cells[:, 0, 1].tolist() == [-1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("outside", [-1, 1])
def test_weights_outside_the_slicing_are_refused(outside):
    slices = TINY.slices
    low, high = weight_range(slices)
    bad = high + 1 if outside > 0 else low - 1
    with pytest.raises(ValueError, match=rf"Weights must be in the range .* 565, not {bad}$"):
        encode([[0, bad]], slices)


def test_cells_out_of_range_are_refused():
    cells = np.zeros((3, 2, 2), np.int16)
    cells[1, 0, 1] = 32
    with pytest.raises(
        ValueError, match=r"Cells of slice 1 must be in the range \[-32, 31\], not 32$"
    ):
        check_cells(cells, TINY.slices)


def test_cells_larger_than_the_crossbar_are_refused():
    with pytest.raises(ValueError, match=r"Cells must fit a crossbar of 6 x 5, not 7 x 5$"):
        check_crossbar(np.zeros((3, 7, 5), np.int16), TINY)
    with pytest.raises(ValueError, match=r"must have the shape \(3, rows, columns\), not \(2, 6"):
        check_crossbar(np.zeros((2, 6, 5), np.int16), TINY)
