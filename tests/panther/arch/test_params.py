from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from panther.arch.params import (
    AdcParams,
    McuParams,
    OpaParams,
    OperationCycles,
    SliceParams,
    TimingParams,
)
from panther.arch.presets import PAPER, PRESETS, TINY

whole = st.integers(-(2**40), 2**40)
few = st.integers(-3, 40)


def message(call, *arguments, **keywords):
    """What ``call`` complains about; empty if it does not. Nothing but ValueError may come."""
    try:
        call(*arguments, **keywords)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"value_bits": 0}, "Value bits must be an integer in the range [1, 8], not 0"),
        ({"value_bits": True}, "Value bits must be an integer in the range [1, 8], not True"),
        ({"cell_bits": ()}, "Slicing must have at least one slice, not 0"),
        ({"cell_bits": (5, 3, 5)}, "Cell of slice 1 must hold at least the 4 value bits, not 3"),
        (
            {"cell_bits": (17, 4)},
            "Cell bits of slice 0 must be an integer in the range [1, 16], not 17",
        ),
        (
            {"cell_bits": (True,) * 3},
            "Cell bits of slice 0 must be an integer in the range [1, 16], not True",
        ),
        ({"cell_bits": 5}, "Cell bits must be a tuple or a list, not 5"),
        ({"cell_bits": "5555"}, "Cell bits must be a tuple or a list, not '5555'"),
        (
            {"cell_bits": (4,) * 9},
            "Weight must have at most 32 bits, not 9 slices x 4 value bits = 36",
        ),
        (
            {"value_bits": 3, "cell_bits": (3,) * 11},
            "Weight must have at most 32 bits, not 11 slices x 3 value bits = 33",
        ),
    ],
)
def test_impossible_slicing(keywords, expected):
    assert message(SliceParams, **keywords) == expected


@pytest.mark.parametrize("text", ["", "paper", "4,4,4", "-4", "4x", "6x8x2", "٤٤", "44 55", "4\n"])
def test_text_that_is_no_slicing(text):
    assert message(SliceParams.parse, text) == (
        "Slicing must be digits, most significant slice first (44466555), CELL_BITSxSLICES (6x8), "
        f"or cell bits joined by dashes (12-10-8), not {text!r}"
    )


@pytest.mark.parametrize(
    ("text", "cell_bits"),
    [
        ("44466555", (5, 5, 5, 6, 6, 4, 4, 4)),
        ("6x8", (6,) * 8),
        ("12x2", (12, 12)),
        ("12-10-8", (8, 10, 12)),
        ("5", (5,)),
    ],
)
def test_slicing_is_read_most_significant_slice_first(text, cell_bits):
    assert SliceParams.parse(text).cell_bits == cell_bits


slicings = st.integers(1, 8).flatmap(
    lambda p: st.lists(st.integers(p, 16), min_size=1, max_size=32 // p).map(
        lambda cells: SliceParams(value_bits=p, cell_bits=tuple(cells))
    )
)


@given(slicings)
def test_name_of_a_slicing_is_read_back(slices):
    assert SliceParams.parse(slices.name, value_bits=slices.value_bits) == slices


@given(st.text(max_size=12) | st.text("0123456789x-", max_size=40), whole)
@example("4" * 40, 4)
@example("99x99", 8)
def test_any_text_is_a_slicing_or_a_value_error(text, value_bits):
    complaint = message(SliceParams.parse, text, value_bits=value_bits)
    assert len(complaint.splitlines()) <= 1
    if not complaint:
        slices = SliceParams.parse(text, value_bits=value_bits)
        assert slices.weight_bits <= 32
        assert all(value_bits <= bits <= 16 for bits in slices.cell_bits)


@given(few, st.lists(few, max_size=40))
def test_any_slicing_is_right_or_a_value_error(value_bits, cell_bits):
    possible = (
        1 <= value_bits <= 8
        and 0 < len(cell_bits) <= 32 // value_bits
        and all(value_bits <= bits <= 16 for bits in cell_bits)
    )
    if possible:
        assert SliceParams(value_bits=value_bits, cell_bits=cell_bits).count == len(cell_bits)
    else:
        assert message(SliceParams, value_bits=value_bits, cell_bits=cell_bits)


def test_slice_properties():
    assert PAPER.slices.name == "44466555"
    assert (PAPER.slices.count, PAPER.slices.weight_bits) == (8, 32)
    assert PAPER.slices.cell_range(0) == (-16, 15)
    assert PAPER.slices.cell_range(7) == (-8, 7)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"rows": 3}, "Rows must be an integer in the range [4, 256], not 3"),
        ({"columns": 257}, "Columns must be an integer in the range [4, 256], not 257"),
        ({"columns": 8.0}, "Columns must be an integer in the range [4, 256], not 8.0"),
        (
            {"rows": np.zeros((2, 2))},
            ("Rows must be an integer in the range [4, 256], not array([[0., 0... [0., 0.]])"),
        ),
        ({"slices": None}, "Slices must be SliceParams, not None"),
        ({"adc": (9,) * 8}, "ADC must be AdcParams, not (9, 9, 9, 9, 9, 9, ...)"),
        ({"timing": 4}, "Timing must be TimingParams, not 4"),
        ({"cycles": 4}, "Cycles must be OperationCycles, not 4"),
        (
            {"headroom": 4, "cycles": OperationCycles(opa=5)},
            (
                "Cycles of OPA must be left to the RTL with headroom groups, for they depend on "
                "the rows that are resolved, not 5"
            ),
        ),
        ({"operand_bits": 17}, "Operand bits must be an integer in the range [2, 16], not 17"),
        (
            {"adc": AdcParams(bits=(9,) * 7)},
            "ADC bits must be given for each of the 8 slices, not for 7",
        ),
        (
            {"adc": AdcParams(step_log2=(0,) * 9)},
            "ADC steps must be given for each of the 8 slices, not for 9",
        ),
        (
            {"rows": 126, "adc": AdcParams(per_slice=4)},
            "ADCs per slice must divide the 126 rows, not 4",
        ),
        (
            {"adc": AdcParams(bits=(9, 9, 9, 5, 9, 9, 9, 9))},
            (
                "ADC of slice 3 must have at least the 6 bits of a cell, or a row could not be "
                "read back, not 5"
            ),
        ),
        (
            {"adc": AdcParams(bits=(24,) * 8, step_log2=(16,) * 8)},
            (
                "Shift-and-add sum must fit 63 bits, not 85: use fewer lines, narrower cells or "
                "fewer ADC bits"
            ),
        ),
        (
            {
                "slices": SliceParams(value_bits=1, cell_bits=(2,) * 32),
                "opa": OpaParams(column_digits="balanced"),
            },
            (
                "Balanced digits of a column must fit 31 bits, not 32: use fewer slices or more "
                "value bits"
            ),
        ),
    ],
)
def test_impossible_unit(keywords, expected):
    assert message(McuParams, **keywords) == expected


@pytest.mark.parametrize(
    ("call", "name", "value", "field", "limits"),
    [
        (AdcParams, "bits", (9, 1), "ADC bits of slice 1", "[2, 24], not 1"),
        (AdcParams, "step_log2", (17,), "ADC step of slice 0", "[0, 16], not 17"),
        (AdcParams, "per_slice", 0, "ADCs per slice", "[1, 256], not 0"),
        (TimingParams, "integrate_cycles", 1, "Integrate cycles", "[2, 255], not 1"),
        (TimingParams, "pulse_cycles", 0, "Pulse cycles", "[1, 255], not 0"),
        (TimingParams, "program_cycles", 256, "Program cycles", "[2, 255], not 256"),
        (OperationCycles, "mvm", 0, "Cycles of MVM", "[1, 1073741823], not 0"),
        (OperationCycles, "crs", 1 << 30, "Cycles of CRS", "[1, 1073741823], not 1073741824"),
    ],
)
def test_impossible_converters_and_timing(call, name, value, field, limits):
    assert message(call, **{name: value}) == f"{field} must be an integer in the range {limits}"


@pytest.mark.parametrize("value", [5, 0, "99", {9: 9}])
def test_converters_that_are_no_tuple(value):
    for attribute, name in (("bits", "ADC bits"), ("step_log2", "ADC step")):
        assert message(AdcParams, **{attribute: value}) == (
            f"{name} must be a tuple or a list, not {value!r}"
        )


def test_other_cycles_are_none_of_the_rtls():
    McuParams().check_rtl()
    expected = "Cycles of operations must be those of the RTL where there is RTL, not given"
    with pytest.raises(ValueError, match=expected):
        McuParams(cycles=OperationCycles(mtvm=5)).check_rtl()


def test_lists_become_tuples():
    adc = AdcParams(bits=[9] * 8, step_log2=[0] * 8)
    assert hash(adc) == hash(AdcParams(bits=(9,) * 8, step_log2=(0,) * 8))


junk = st.recursive(
    st.none()
    | st.booleans()
    | whole
    | few
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=5)
    | st.sampled_from([np.int64(5), np.zeros((3, 3)), object(), int, SliceParams(), AdcParams()]),
    lambda inner: (
        st.lists(inner, max_size=9)
        | st.lists(inner, max_size=9).map(tuple)
        | st.dictionaries(few, inner, max_size=2)
    ),
    max_leaves=9,
)


@pytest.mark.parametrize("kind", [SliceParams, AdcParams, TimingParams, OperationCycles, McuParams])
@given(st.data())
def test_any_field_is_right_or_a_value_error(kind, data):
    names = st.sampled_from([field.name for field in fields(kind)])
    keywords = data.draw(st.dictionaries(names, junk, min_size=1, max_size=2))
    complaint = message(kind, **keywords)
    assert len(complaint.splitlines()) <= 1
    assert len(complaint) < 200
    if not complaint:
        hash(kind(**keywords))


@given(st.integers(-2, 300), st.integers(-2, 300), st.integers(-2, 20), st.integers(-2, 20))
def test_any_size_is_right_or_a_value_error(rows, columns, operand_bits, per_slice):
    possible = (
        4 <= rows <= 256
        and 4 <= columns <= 256
        and 2 <= operand_bits <= 16
        and per_slice >= 1
        and rows % per_slice == columns % per_slice == 0
    )

    def build():
        return McuParams(
            rows=rows,
            columns=columns,
            operand_bits=operand_bits,
            adc=AdcParams(per_slice=per_slice),
        )

    if possible:
        assert build().rows == rows
    else:
        assert message(build)


@pytest.mark.parametrize(
    ("slices", "operand_bits", "bias", "bits"),
    [
        (SliceParams(), 16, 0x0888_8888, 31),
        (SliceParams(value_bits=1, cell_bits=(2,) * 31), 16, (1 << 30) - 1, 31),
        # wider than any operand
        (SliceParams(), 2, 0x0888_8888, 28),
        (SliceParams(value_bits=2, cell_bits=(2,) * 3), 3, 0b1010, 5),
        (SliceParams(cell_bits=(6,)), 16, 0, 31),
    ],
)
def test_bias_of_balanced_digits(slices, operand_bits, bias, bits):
    params = McuParams(
        slices=slices, operand_bits=operand_bits, opa=OpaParams(column_digits="balanced")
    )
    assert (params.digit_bias, params.digit_bits) == (bias, bits)
    plain = replace(params, opa=OpaParams(row_digits="naf"))
    assert (plain.digit_bias, plain.digit_bits) == (0, 2 * operand_bits - 1)


FLAT = {"wide": replace(PAPER, rows=4), "high": replace(PAPER, columns=4)}


@pytest.mark.parametrize("params", [*PRESETS.values(), *FLAT.values()], ids=[*PRESETS, *FLAT])
def test_widths_hold_the_worst_case(params):
    """Every line driven, every cell at its most negative value, every step the same."""
    lines = max(params.rows, params.columns)
    worst = 0
    for k, bits in enumerate(params.slices.cell_bits):
        low = lines * -(1 << (bits - 1))
        step = params.adc_step_log2[k]
        code = max((low + ((1 << step) >> 1)) >> step, -(1 << (params.adc_bits[k] - 1)))
        if params.adc.bits is None:
            assert code == low, "lossless converters clip nothing"
        worst += code << (step + k * params.slices.value_bits)
    assert worst >= -(1 << (params.column_sum_bits - 1))
    assert worst * ((1 << params.operand_bits) - 1) >= -(1 << (params.sum_bits - 1))


def test_parameters_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        PAPER.rows = 4
    assert hash(replace(TINY)) == hash(TINY)
