"""The tables of the manuals agree with the twin, which the hardware agrees with."""

import re
from math import ceil

import pytest

from models.analog.array import IdealArray
from models.system import mcu
from models.system.core import Core
from panther.arch.core import CSR_VALUES, READ_ONLY_CSRS, Csr, Fault
from panther.arch.mcu import CONFIG_VALUES, ConfigKey, Operation
from panther.arch.params import AdcParams, McuParams, SliceParams, TimingParams
from panther.arch.presets import CORES, PAPER
from panther.asm import assemble_text
from panther.sim import ROOT

SMALL = CORES["SMALL"]
ODD = McuParams(
    rows=8, columns=12, operand_bits=3, slices=SliceParams(cell_bits=(4,) * 5),
    adc=AdcParams(per_slice=4),
    timing=TimingParams(integrate_cycles=5, pulse_cycles=7, program_cycles=9),
)  # fmt: skip


@pytest.fixture
def core():
    """A core after its reset."""
    return Core(SMALL, [IdealArray(SMALL.mcu) for _ in range(SMALL.mcus)])


def run(core, text):
    core.load(assemble_text(text, SMALL).words)
    core.start()
    core.run()
    return core.fault


def test_cycles_of_operations():
    text = (ROOT / "docs" / "core.md").read_text()
    rows = re.findall(r"^\| (\w+) \| `(.*)` \| (\d+) \|$", text, re.MULTILINE)
    assert [name for name, _, _ in rows] == ["MVM", "MTVM", "OPA", "CRS"]
    for params in (PAPER, ODD):
        units = mcu.make_units(params, [IdealArray(params)])
        known = {
            "ceil": ceil, "max": max, "R": params.rows, "C": params.columns,
            "A": params.adc.per_slice, "B": params.operand_bits, "S": params.slices.count,
            "I": params.timing.integrate_cycles, "P": params.timing.pulse_cycles,
            "W": params.timing.program_cycles,
        }  # fmt: skip
        for name, formula, paper in rows:
            cycles = mcu.duration(units, 0, int(Operation[name]))
            assert eval(formula, known) == cycles
            assert params is not PAPER or int(paper) == cycles


def test_control_registers_after_a_reset(core):
    assert set(CSR_VALUES) | set(READ_ONLY_CSRS) == set(Csr)
    assert {csr: core.csr(csr) for csr in CSR_VALUES} == {
        csr: reset for csr, (_, reset) in CSR_VALUES.items()
    }
    assert [core.csr(csr) for csr in READ_ONLY_CSRS] == [0, 0]


@pytest.mark.parametrize("csr", CSR_VALUES)
def test_legal_values_of_control_registers(core, csr):
    legal, _ = CSR_VALUES[csr]
    for value in (legal[0], legal[-1]):
        assert run(core, f"csr {int(csr)}, {value}\nhlt") is Fault.NONE
        assert core.csr(csr) == value
    for value in (legal[0] - 1, legal[-1] + 1):
        if 0 <= value < 1 << 32:
            assert run(core, f"csr {int(csr)}, {value}\nhlt") is Fault.CSR


def test_configuration_keys(core):
    assert list(CONFIG_VALUES) == list(ConfigKey)
    units = mcu.make_units(SMALL.mcu, [IdealArray(SMALL.mcu)])
    assert units.config[0].tolist() == [SMALL.mcu.rows, SMALL.mcu.columns, 0, 0, 0, 0]
    shifts = (0, SMALL.mcu.sum_bits - 1)
    for key, (low, high) in {
        "rows": (1, SMALL.mcu.rows), "columns": (1, SMALL.mcu.columns),
        "mvm_shift": shifts, "mtvm_shift": shifts, "clear_counters": (0, (1 << 32) - 1),
        "eager": (0, 1),
    }.items():  # fmt: skip
        for value in (low - 1, low, high, high + 1):
            if 0 <= value < 1 << 32:
                fault = run(core, f"mcfg m0, {key}, {value}\nhlt")
                assert fault is (Fault.NONE if low <= value <= high else Fault.CONFIG)


def test_what_a_start_keeps(core):
    text = "csr watchdog, 999\ncsr rounding, 1\nsset s1, 5\nvset r0, 7, 4\nmcfg m0, rows, 3\n"
    assert run(core, f"{text}vi.div r0, r0, 0, 4, 0\n") is Fault.DIVISION
    assert core.retired == 5
    assert run(core, "hlt\n") is Fault.NONE
    assert (core.retired, core.cycle) == (1, 1)
    assert (core.csr(Csr.WATCHDOG), core.csr(Csr.ROUNDING)) == (999, 1)
    units = mcu.make_units(SMALL.mcu, [IdealArray(SMALL.mcu)])
    mcu.configure(units, 0, int(ConfigKey.ROWS), 3)
    assert run(core, "crs m0\nhlt") is Fault.NONE
    assert core.cycle == 2 + mcu.duration(units, 0, int(Operation.CRS))
    assert run(core, "salu.add s2, s1, s0\nvr.sum s3, r0, 4\nhlt") is Fault.NONE
    assert (core.scalars[2], core.scalars[3]) == (5, 28)
