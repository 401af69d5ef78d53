import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panther.arch.presets import NODES, PAPER, PRESETS, node_preset, preset


def test_paper_is_the_papers():
    assert (PAPER.rows, PAPER.columns, PAPER.operand_bits) == (128, 128, 16)
    assert (PAPER.slices.name, PAPER.slices.value_bits) == ("44466555", 4)
    assert (PAPER.adc.bits, PAPER.adc.per_slice) == (None, 1)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_found_in_either_case(name):
    assert preset(name) is preset(name.lower()) is PRESETS[name]


def test_presets_differ():
    assert len(set(PRESETS.values())) == len(PRESETS)


def test_unknown_preset_lists_the_known_ones():
    expected = (
        "Preset must be one of PAPER, PAPER_ADC9, PAPER_4ADC, WIDE, FINE, SMALL, TINY, "
        "not 'PAPPER'; did you mean PAPER?"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        preset("PAPPER")


def test_nothing_is_suggested_for_something_far_off():
    with pytest.raises(ValueError, match=r"not 'qqqqqq'$"):
        preset("qqqqqq")


@given(st.text())
def test_any_name_is_a_preset_or_a_value_error(name):
    if name.upper() not in PRESETS:
        with pytest.raises(ValueError, match="Preset must be one of"):
            preset(name)


def test_nodes_are_found():
    assert node_preset("small") is NODES["SMALL"]
    assert NODES["PAPER"].tile.cores == 8
    with pytest.raises(ValueError, match=r"^Node must be one of .*, not 'SMAL'; did"):
        node_preset("SMAL")
