from dataclasses import replace

import numpy as np
import pytest

from golden.fast import FastMatrix, is_lossless
from golden.matrix import LiteralMatrix
from golden.store import is_packed
from golden.train import TrainConfig, Trainer
from panther.arch.formats import Fixed, TrainFormats
from panther.arch.params import AdcParams, McuParams, SliceParams
from panther.arch.presets import FINE, PAPER, PAPER_ADC9, SMALL, TINY, WIDE


def assert_same(literal, fast):
    np.testing.assert_array_equal(fast.cells, literal.cells)
    np.testing.assert_array_equal(fast.weights, literal.weights)
    assert fast.counters == literal.counters


def exercise(draw, params, rows, columns):
    """Every operation on one example and on a batch, checked after each."""
    pair = [kind(params, np.zeros((rows, columns), int)) for kind in (LiteralMatrix, FastMatrix)]
    literal, fast = pair
    cells = draw.cells(params.slices, rows, columns)
    for matrix in pair:
        matrix.load(cells)
    assert_same(*pair)
    bits = params.operand_bits
    for batch in ((), (1,), (3,)):
        shift = int(draw.rng.integers(0, params.slices.weight_bits + 8))
        x, e = draw.words(bits, (*batch, rows)), draw.words(bits, (*batch, columns))
        np.testing.assert_array_equal(fast.mvm(x, shift), literal.mvm(x, shift))
        assert_same(*pair)
        np.testing.assert_array_equal(fast.mtvm(e, shift), literal.mtvm(e, shift))
        assert_same(*pair)
        for matrix in pair:
            matrix.opa(x, e)
        assert_same(*pair)
    for matrix in pair:
        matrix.crs()
    assert_same(*pair)


@pytest.mark.parametrize("seed", range(24))
def test_packed_kernels_equal_the_definition(corners, seed):
    draw = corners(seed)
    params = draw.params(packed=True)
    assert is_packed(params)
    rows, columns = (int(n) for n in draw.rng.integers(1, 40, 2))
    exercise(draw, params, rows, columns)


@pytest.mark.parametrize("seed", range(24))
def test_wide_kernels_equal_the_definition(corners, seed):
    draw = corners(1000 + seed)
    params = draw.params()
    assert not is_packed(params)
    rows, columns = (int(n) for n in draw.rng.integers(1, 30, 2))
    exercise(draw, params, rows, columns)


@pytest.mark.parametrize(
    "params",
    [
        PAPER,
        PAPER_ADC9,
        WIDE,
        FINE,
        SMALL,
        TINY,
        replace(
            WIDE, rows=256, adc=AdcParams(bits=(10,) * 8, step_log2=(16, 15, 8, 5, 3, 2, 1, 0))
        ),
        McuParams(
            rows=256, columns=4, slices=SliceParams(value_bits=8, cell_bits=(16, 16, 14, 12))
        ),
        McuParams(slices=SliceParams(value_bits=8, cell_bits=(8,))),
        McuParams(slices=SliceParams(value_bits=1, cell_bits=(1,) * 32)),
    ],
    ids=lambda params: f"{params.slices.name}-{params.rows}-{params.adc_bits[0]}",
)
def test_presets_and_extremes_on_several_tiles(corners, params):
    exercise(corners(5), params, min(260, params.rows + 3), min(6, params.columns + 1))
    exercise(corners(6), params, 3, min(131, params.columns + 3))


@pytest.mark.parametrize("value", [0, 1, -1, 32767, -32768])
@pytest.mark.parametrize("params", [PAPER, PAPER_ADC9, WIDE], ids=["paper", "adc9", "wide"])
def test_operands_all_at_one_corner(params, value):
    pair = [kind(params, np.full((130, 5), 2**31 - 2**28)) for kind in (LiteralMatrix, FastMatrix)]
    x, e = np.full(130, value), np.array([32767, -32768, 1, -1, 0])
    for matrix in pair:
        matrix.opa(x, e)
        matrix.opa(x, -np.minimum(32767, -e))
    assert_same(*pair)
    for shift in (0, 31):
        np.testing.assert_array_equal(*(matrix.mvm(x, shift) for matrix in pair))
        np.testing.assert_array_equal(*(matrix.mtvm(e, shift) for matrix in pair))
        assert_same(*pair)


def test_products_too_large_for_float64_are_exact():
    # a sum of 56 bits just below a tie: float64 would round it up to the tie
    shift, rows = 42, 102
    x = np.full(rows, 32767)
    x[-2:] = 1024, 1
    weights = np.full((rows, 2), 2**34)
    rest = ((1 << (shift - 1)) - 1 - (rows - 2) * 32767 * 2**34) % (1 << shift)
    weights[-2:] = [[rest // 1024] * 2, [rest % 1024] * 2]
    total = sum(int(a) * int(w) for a, w in zip(x, weights[:, 0], strict=True))
    assert total > 2**55
    assert total % (1 << shift) == (1 << (shift - 1)) - 1
    for batch in (x, np.stack([x, x])):
        y = FastMatrix(WIDE, weights).mvm(batch, shift)
        assert (y == total >> shift).all()
        turned = FastMatrix(WIDE, weights.T.copy()).mtvm(batch, shift)
        assert (turned == total >> shift).all()
    assert LiteralMatrix(WIDE, weights).mvm(x, shift).tolist() == [total >> shift] * 2


def test_more_pulses_than_a_byte_counts_are_counted():
    fast = FastMatrix(PAPER, np.full((300, 1), 7 << 28))
    top_of_slice_0 = np.zeros((8, 300, 1), int)
    top_of_slice_0[0] = 15
    fast.load(top_of_slice_0)
    fast.opa([[1] * 300] * 3, [[1]] * 3)
    assert fast.counters.opa_saturated == (900, 0, 0, 0, 0, 0, 0, 0)
    fast.crs()
    assert fast.counters.at_limit == (300, 0, 0, 0, 0, 0, 0, 0)


def test_lossless_means_that_no_sum_can_clip_or_round():
    assert is_lossless(PAPER)
    assert not is_lossless(PAPER_ADC9)
    exact = replace(PAPER, adc=AdcParams(bits=PAPER.lossless_bits))
    assert is_lossless(exact)
    narrow = (PAPER.lossless_bits[0] - 1, *PAPER.lossless_bits[1:])
    assert not is_lossless(replace(PAPER, adc=AdcParams(bits=narrow)))
    assert not is_lossless(replace(PAPER, adc=AdcParams(step_log2=(1,) + (0,) * 7)))


TINY_FORMATS = TrainFormats(
    activation=Fixed(bits=8, fraction=4), error=Fixed(bits=8, fraction=6), weight_fraction=9
)
RUNS = {
    "paper": TrainConfig(layers=(9, 7, 3), params=SMALL, crs_period=5),
    "adc": TrainConfig(
        layers=(9, 7, 3), crs_period=4, params=replace(SMALL, adc=AdcParams(bits=(6,) * 8))
    ),
    "lazy": TrainConfig(
        layers=(9, 7, 3), params=SMALL, mode="lazy", batch=4, lr=1 / 4, crs_period=3
    ),
    "eager": TrainConfig(layers=(9, 7, 3), params=SMALL, mode="eager", batch=4, lr=1 / 4),
    "tiny": TrainConfig(
        layers=(9, 7, 3), params=TINY, formats=TINY_FORMATS, lr=1 / 4, crs_period=2
    ),
}


@pytest.mark.parametrize("config", RUNS.values(), ids=RUNS)
def test_whole_training_runs_are_bit_identical(config):
    literal, fast = Trainer(config, LiteralMatrix), Trainer(config, FastMatrix)
    rng = np.random.default_rng(4)
    one = config.formats.activation.one
    for _ in range(12):
        x = rng.integers(-one, one + 1, (config.batch, 9))
        labels = rng.integers(0, 3, config.batch)
        left, right = literal.batch(x, labels), fast.batch(x, labels)
        assert (left.logits == right.logits).all()
        for pair in zip(literal.matrices, fast.matrices, strict=True):
            assert_same(*pair)
        for pair in zip(literal.written, fast.written, strict=True):
            assert_same(*pair)
    assert any(sum(matrix.counters.opa_saturated) for matrix in fast.written)


@pytest.mark.parametrize("rail", [0, 1])
@pytest.mark.parametrize("step", [0, 1, 14, 15, 16])
def test_converters_see_the_largest_sums_there_are(step, rail):
    adc = AdcParams(bits=(10,) * 8, step_log2=(step,) + (0,) * 7)
    params = replace(WIDE, rows=256, columns=256, adc=adc)
    pair = [kind(params, np.zeros((256, 2), int)) for kind in (LiteralMatrix, FastMatrix)]
    cells = np.zeros((8, 256, 2), np.int16)
    cells[0] = params.slices.cell_range(0)[rail]
    for matrix in pair:
        matrix.load(cells)
    for value in (1, -1, 32767, -32768):
        x = np.full(256, value)
        np.testing.assert_array_equal(*(matrix.mvm(x, 12) for matrix in pair))
        assert_same(*pair)


@pytest.mark.parametrize("adc_bits", [8, 9, 10])
@pytest.mark.parametrize("batch", [1, 3])
def test_columns_that_clip_among_columns_that_cannot(corners, batch, adc_bits):
    params = replace(PAPER, adc=AdcParams(bits=(adc_bits,) * 8))
    draw = corners(batch)
    pair = [kind(params, np.zeros((150, 141), int)) for kind in (LiteralMatrix, FastMatrix)]
    for line in (1, 2):
        cells = draw.rng.integers(-2, 3, (8, 150, 141)).astype(np.int16)
        lines = np.moveaxis(cells, line, 0)
        for place in (3, 17, 30, 31, 77, -1):
            for k in range(8):
                lines[place, k] = params.slices.cell_range(k)[place % 2]
        lines[50, 3] = params.slices.cell_range(3)[0]
        for matrix in pair:
            matrix.load(cells)
        x, e = draw.words(16, (batch, 150)), draw.words(16, (batch, 141))
        before = pair[1].counters.clipped
        np.testing.assert_array_equal(*(matrix.mvm(x, 28) for matrix in pair))
        np.testing.assert_array_equal(*(matrix.mtvm(e, 28) for matrix in pair))
        assert_same(*pair)
        assert all(now > then for now, then in zip(pair[1].counters.clipped, before, strict=True))
