"""The ideal array, event by event as the pins drive it, against the golden model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.crs import crs
from golden.mvm import mtvm, mvm
from golden.opa import opa
from models.analog.array import IdealArray
from models.analog.driver import PulseTrain
from panther.arch.params import AdcParams, McuParams, SliceParams


@st.composite
def params(draw):
    value_bits = draw(st.integers(1, 8))
    slices = draw(st.integers(1, min(5, 32 // value_bits)))
    cells = tuple(draw(st.integers(value_bits, 16)) for _ in range(slices))
    exact = McuParams(
        rows=draw(st.integers(4, 9)),
        columns=draw(st.integers(4, 40)),
        operand_bits=draw(st.integers(2, 16)),
        slices=SliceParams(value_bits=value_bits, cell_bits=cells),
    )
    if exact.sum_bits > 60 or draw(st.booleans()):
        return exact
    adc = AdcParams(
        bits=tuple(draw(st.integers(max(2, bits), bits + 3)) for bits in cells),
        step_log2=tuple(draw(st.integers(0, 2)) for _ in cells),
    )
    try:
        return McuParams(
            rows=exact.rows, columns=exact.columns, operand_bits=exact.operand_bits,
            slices=exact.slices, adc=adc,
        )  # fmt: skip
    except ValueError:  # the sums got too wide
        return exact


def words(rng, params, count):
    half = 1 << (params.operand_bits - 1)
    return rng.choice([rng.integers(-half, half, count), np.full(count, -half), np.zeros(count)])


def any_cells(rng, params):
    shape = (params.rows, params.columns)
    ranges = [params.slices.cell_range(k) for k in range(params.slices.count)]
    return np.stack([rng.integers(low, high + 1, shape) for low, high in ranges]).astype(np.int16)


def filled(params, cells):
    array = IdealArray(params)
    array.cells = cells
    return array


def outer_product(params, x, e):
    """The pulse train of ``W += x e^T``."""
    shape = 4 * params.operand_bits
    rows = np.zeros((shape, params.rows), np.uint8)
    columns = np.zeros((shape, params.columns), np.uint8)
    values = np.zeros((shape, params.columns), np.int32)
    negative = np.zeros(shape, np.uint8)
    for j in range(params.operand_bits):
        for phase in range(4):
            pulse = 4 * j + phase
            rows[pulse] = ((np.abs(x) >> j) & 1) & ((x < 0) == (phase >> 1))
            columns[pulse] = (e < 0) == (phase & 1)
            values[pulse] = np.abs(e) << j
            negative[pulse] = (phase >> 1) ^ (phase & 1)
    return PulseTrain(row_drive=rows, column_drive=columns, column_value=values, negative=negative)


@given(params(), st.integers(0, 2**32 - 1), st.booleans())
def test_bit_steps_add_up_to_the_golden_product(params, seed, transpose):
    rng = np.random.default_rng(seed)
    cells = any_cells(rng, params)
    array = filled(params, cells)
    operand = words(rng, params, params.columns if transpose else params.rows).astype(np.int64)
    total, clipped = 0, 0
    for j in range(params.operand_bits):
        drive = ((operand >> j) & 1).astype(np.uint8)
        conversion = array.convert(drive, transpose=transpose, fine=False)
        weights = [
            k * params.slices.value_bits + step for k, step in enumerate(params.adc_step_log2)
        ]
        step_sum = (conversion.code.astype(np.int64) << np.array(weights)).sum(axis=1)
        total = total + ((-step_sum if j == params.operand_bits - 1 else step_sum) << j)
        clipped = clipped + conversion.over.sum(axis=0)
    expected = (mtvm if transpose else mvm)(params, cells, operand, shift=0)
    half = 1 << (params.operand_bits - 1)
    assert (np.clip(total, -half, half - 1) == expected.y).all()
    assert (clipped == expected.clipped).all()


@given(params(), st.integers(0, 2**32 - 1))
def test_pulses_add_the_golden_outer_product(params, seed):
    rng = np.random.default_rng(seed)
    cells = any_cells(rng, params)
    array = filled(params, cells)
    x = words(rng, params, params.rows).astype(np.int64)
    e = words(rng, params, params.columns).astype(np.int64)
    array.pulse(outer_product(params, x, e))
    assert (array.cells == opa(params, cells, x, e).cells).all()


@given(params(), st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_any_pulses_act_one_after_the_other(params, seed, pulses):
    """Pulses no outer product makes, of both signs on one cell: saturation depends on the order."""
    rng = np.random.default_rng(seed)
    slices, p = params.slices, params.slices.value_bits
    train = PulseTrain(
        # few different rows and values, so that neighbours often agree
        row_drive=rng.integers(0, 2, (2, params.rows), np.uint8)[rng.integers(0, 2, pulses)],
        column_drive=rng.integers(0, 2, (pulses, params.columns), np.uint8)
        * (rng.random((pulses, params.columns)) < 0.3).astype(np.uint8),
        column_value=rng.integers(0, 1 << params.digit_bits, (2, params.columns), np.int64).astype(
            np.int32
        )[rng.integers(0, 2, pulses)],
        negative=rng.integers(0, 2, pulses, np.uint8),
    )
    cells = any_cells(rng, params)
    array = filled(params, cells)
    array.pulse(train)
    expected = cells.astype(np.int64)
    for pulse in range(pulses):
        for k in range(slices.count):
            digit = train.column_value[pulse].astype(np.int64) >> (k * p)
            if k < slices.count - 1:
                digit &= (1 << p) - 1
            step = np.outer(train.row_drive[pulse], train.column_drive[pulse] * digit)
            sign = -1 if train.negative[pulse] else 1
            expected[k] = np.clip(expected[k] + sign * step, *slices.cell_range(k))
    assert (array.cells == expected).all()


@given(params(), st.integers(0, 2**32 - 1))
def test_rows_read_finely_and_programmed_resolve_carries(params, seed):
    rng = np.random.default_rng(seed)
    cells = any_cells(rng, params)
    array = filled(params, cells)
    resolved = crs(params, cells).cells
    for row in range(params.rows):
        drive = (np.arange(params.rows) == row).astype(np.uint8)
        conversion = array.convert(drive, transpose=False, fine=True)
        assert (conversion.code.T == cells[:, row]).all()
        assert not conversion.over.any()
        array.program(row, resolved[:, row].T)
    assert (array.cells == resolved).all()


def test_programming_saturates():
    params = McuParams(rows=4, columns=5, slices=SliceParams(value_bits=2, cell_bits=(3, 2)))
    array = IdealArray(params)
    array.program(1, np.tile(np.array([100, -100], np.int16), (5, 1)))
    assert (array.cells[0, 1] == 3).all()
    assert (array.cells[1, 1] == -2).all()
    assert not array.cells[:, [0, 2, 3]].any()


def test_cells_are_a_copy():
    array = IdealArray(McuParams(rows=4, columns=4))
    array.cells[:] = 1
    assert not array.cells.any()


def test_cells_of_another_shape_are_refused():
    array = IdealArray(McuParams(rows=4, columns=5))
    with pytest.raises(ValueError, match=r"Cells must have shape \(8, 4, 5\), not \(8, 5, 4\)"):
        array.cells = np.zeros((8, 5, 4), np.int16)
