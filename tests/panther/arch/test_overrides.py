import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from panther.arch.core import CoreParams
from panther.arch.device import DEVICE_FIELDS
from panther.arch.device_presets import DEVICES
from panther.arch.node import NodeParams
from panther.arch.overrides import (
    CORE_OVERRIDES,
    NODE_OVERRIDES,
    OVERRIDES,
    override,
    override_core,
    override_node,
)
from panther.arch.params import McuParams
from panther.arch.presets import CORES, FINE, PAPER, PAPER_ADC9, SMALL, TINY

UNIT_NAMES = (
    "slices, value_bits, device, rows, columns, operand_bits, adc.bits, adc.step_log2, "
    "adc.per_slice, timing.integrate_cycles, timing.pulse_cycles, timing.program_cycles, "
    "cycles.mvm, cycles.mtvm, cycles.opa, cycles.crs, "
    "opa.row_digits, opa.column_digits, opa.skip_steps, headroom"
)
NAMES = f"{UNIT_NAMES}, device.NAME"
OF_CORES = f"{UNIT_NAMES}, mcus, registers, instructions, memory_words, memory_cycles"
CORE_NAMES = f"{OF_CORES}, device.NAME"
NODE_NAMES = f"{OF_CORES}, cores, fifos, fifo_rows, tile.instructions, width, height, device.NAME"


def test_nothing_changes_nothing():
    assert override(FINE, []) == FINE


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("rows=16", "rows", 16),
        ("columns = 20", "columns", 20),
        ("operand_bits=8", "operand_bits", 8),
        ("slices=6x8", "slices.cell_bits", (6,) * 8),
        ("value_bits=3", "slices.value_bits", 3),
        ("adc.bits=9", "adc.bits", (9,) * 8),
        ("adc.bits=8,9,10,11,12,13,14,15", "adc.bits", (15, 14, 13, 12, 11, 10, 9, 8)),
        ("adc.step_log2=1", "adc.step_log2", (1,) * 8),
        ("adc.per_slice=4", "adc.per_slice", 4),
        ("timing.integrate_cycles=9", "timing.integrate_cycles", 9),
        ("timing.pulse_cycles=9", "timing.pulse_cycles", 9),
        ("timing.program_cycles=9", "timing.program_cycles", 9),
        ("cycles.mvm=16146", "cycles.mvm", 16146),
        ("cycles.mtvm=1", "cycles.mtvm", 1),
        ("cycles.opa=7", "cycles.opa", 7),
        ("cycles.crs=8", "cycles.crs", 8),
    ],
)
def test_each_name_sets_its_parameter(text, path, expected):
    value = override(PAPER, [text])
    for part in path.split("."):
        value = getattr(value, part)
    assert value == expected


def test_lossless_undoes_a_presets_converters():
    assert override(PAPER_ADC9, ["adc.bits=lossless"]) == PAPER


def test_only_the_outcome_is_checked():
    """Sixteen slices of four value bits, or eight converters for sixteen slices, never existed."""
    fine = override(PAPER_ADC9, ["slices=4x16", "adc.bits=9", "value_bits=2"])
    assert (fine.slices, fine.adc.bits) == (FINE.slices, (9,) * 16)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["rows"], "Parameter must be given as NAME=VALUE, not 'rows'"),
        (["rows="], "Parameter must be given as NAME=VALUE, not 'rows='"),
        (["row=4"], f"Parameter must be one of {NAMES}, not 'row'; did you mean rows?"),
        (["qqqq=4"], f"Parameter must be one of {NAMES}, not 'qqqq'"),
        (
            ["device.pulse_nose=1"],
            (
                f"Parameter must be one of {', '.join(f'device.{name}' for name in DEVICE_FIELDS)},"
                " not 'device.pulse_nose'; did you mean device.pulse_noise?"
            ),
        ),
        (
            ["device=HFO"],
            f"Device must be one of {', '.join(DEVICES)}, not 'HFO'; did you mean HFOX?",
        ),
        (["rows=4", "rows=5"], "Parameter rows must be given once, not '4' and '5'"),
        (["rows=4.5"], "rows must be an integer, not '4.5'"),
        (["adc.bits=9,x"], "adc.bits must be an integer, not 'x'"),
        (["adc.bits=9,9"], "ADC bits must be given for each of the 8 slices, not for 2"),
        (["rows=1000"], "Rows must be an integer in the range [4, 256], not 1000"),
        (["value_bits=5"], "Cell of slice 5 must hold at least the 5 value bits, not 4"),
        (["slices=4x9"], "Weight must have at most 32 bits, not 9 slices x 4 value bits = 36"),
    ],
)
def test_bad_input(texts, expected):
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        override(PAPER, texts)


def test_device_by_name_comes_before_its_parameters():
    hfox = DEVICES["HFOX"].params
    assert override(PAPER, ["device=hfox"]).device == hfox
    noisy = override(PAPER, ["device.pulse_noise=0.5", "device.seed=3"])
    made = override(noisy, ["device.drift=0.1", "device=HFOX", "device.asymmetry=0"])
    assert made == replace(PAPER, device=replace(hfox, drift=0.1, asymmetry=0.0))
    assert override(noisy, ["device=IDEAL"]) == PAPER


@pytest.mark.parametrize(
    "text", ["mcus=8", "registers=128", "instructions = 64", "memory_words=512", "memory_cycles=3"]
)
def test_each_name_of_a_core_sets_its_parameter(text):
    name, _, value = text.partition("=")
    expected = replace(CORES["PAPER"], **{name.strip(): int(value)})
    assert override_core(CORES["PAPER"], [text]) == expected


def test_names_of_both_kinds_may_be_mixed():
    made = override_core(CORES["PAPER"], ["rows=16", "mcus=3", "columns=16", "registers=256"])
    assert made == CoreParams(mcu=SMALL, mcus=3, registers=256)


def test_only_the_whole_core_is_checked():
    """Eight units of 256 lines would be too many."""
    large = override_core(CORES["PAPER"], ["mcus=4", "rows=256"])
    assert override_core(large, ["mcus=8", "rows=128"]) == CoreParams(mcus=8)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["mcus"], "Parameter must be given as NAME=VALUE, not 'mcus'"),
        (["mcu=4"], f"Parameter must be one of {CORE_NAMES}, not 'mcu'; did you mean mcus?"),
        (["row=4"], f"Parameter must be one of {CORE_NAMES}, not 'row'; did you mean rows?"),
        (["mcus=4", "rows=8", "mcus=5"], "Parameter mcus must be given once, not '4' and '5'"),
        (["rows=4", "mcus=5", "rows=4"], "Parameter rows must be given once, not '4' and '4'"),
        (["mcus=two"], "mcus must be an integer, not 'two'"),
        (["mcus=9"], "MCUs must be an integer in the range [1, 8], not 9"),
        (["memory_words=6"], "Memory words must be a multiple of 4, not 6"),
        (["operand_bits=8"], "Operands of a core's crossbars must have 16 bits, not 8"),
        (
            ["mcus=8", "rows=256"],
            "A core must have at most 4 crossbars of more than 128 lines, not 8",
        ),
    ],
)
def test_bad_input_of_a_core(texts, expected):
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        override_core(CORES["PAPER"], texts)


def test_names_of_a_core_are_none_of_a_unit():
    with pytest.raises(ValueError, match=rf"^Parameter must be one of {NAMES}, not 'mcus'"):
        override(PAPER, ["mcus=8"])


values = st.text(max_size=8) | st.integers(-2, 300).map(str) | st.text("0123456789,x", max_size=9)
pairs = st.tuples(st.sampled_from([*OVERRIDES, "row"]), values).map("=".join)
core_pairs = st.tuples(st.sampled_from([*CORE_OVERRIDES, "mcu"]), values).map("=".join)


@given(st.lists(pairs | st.text(max_size=10), max_size=4))
@example(["rows=0", "rows=0\x850"])
def test_any_text_gives_a_unit_or_a_value_error(texts):
    try:
        outcome = override(TINY, texts)
    except ValueError as error:
        outcome = str(error)
    assert isinstance(outcome, McuParams) or len(outcome.splitlines()) == 1


@given(st.lists(core_pairs | st.text(max_size=10), max_size=4))
def test_any_text_gives_a_core_or_a_value_error(texts):
    try:
        outcome = override_core(CORES["SMALL"], texts)
    except ValueError as error:
        outcome = str(error)
    assert isinstance(outcome, CoreParams) or len(outcome.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("width=5", "width", 5),
        ("height=3", "height", 3),
        ("cores=2", "tile.cores", 2),
        ("fifos=4", "tile.fifos", 4),
        ("fifo_rows=9", "tile.fifo_rows", 9),
        ("tile.instructions=77", "tile.instructions", 77),
        ("instructions=88", "tile.core.instructions", 88),
        ("mcus=3", "tile.core.mcus", 3),
        ("rows=20", "tile.core.mcu.rows", 20),
    ],
)
def test_each_name_sets_its_parameter_of_a_node(text, path, expected):
    value = override_node(NodeParams(), [text])
    for part in path.split("."):
        value = getattr(value, part)
    assert value == expected


def test_outcome_of_a_node_is_checked():
    with pytest.raises(ValueError, match=r"Height must be an integer .*, not 33"):
        override_node(NodeParams(), ["width=8", "height=33"])
    with pytest.raises(ValueError, match=f"one of {NODE_NAMES}, not 'tiles'"):
        override_node(NodeParams(), ["tiles=8"])
    assert NODE_OVERRIDES[: len(CORE_OVERRIDES)] == CORE_OVERRIDES
