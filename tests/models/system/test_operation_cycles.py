"""Operations that take other cycles: the same results at other times."""

from dataclasses import replace

import numpy as np
import pytest

from models.analog.array import IdealArray
from models.system.core import Core, Status
from models.system.trace import Event
from panther.arch.core import CoreParams
from panther.arch.mcu import Operation
from panther.arch.params import McuParams, OpaParams, OperationCycles, SliceParams
from panther.asm import assemble_text

MCU = McuParams(rows=8, columns=6, slices=SliceParams(value_bits=4, cell_bits=(5, 6, 5)))
CYCLES = {"mvm": 16146, "mtvm": 1, "opa": 7, "crs": 3000}
TEXT = """
        loop    3, end
        ld      m0.mvm_in, s0, 0, 8
        v.mov   m0.opa_rows, m0.mvm_in, 8
        vset    m0.mtvm_in, 3, 6
        mcu     m0:mvm+mtvm
        vi.max  m0.opa_columns, m0.mvm_out, 0, 6
        mcu     m0:opa
        v.mov   r8, m0.mtvm_out, 8
        crs     m0
        csrr    s1, m0.rows
end:    st      r8, s0, 16, 8, plain
        hlt
"""


class Opaque(IdealArray):
    """An array that compiled code does not know."""


def ran(cycles, kind, opa=None):
    """A core that has run, and its operations: from hand-over to the next one's."""
    mcu = replace(MCU, cycles=OperationCycles(**cycles), opa=opa or OpaParams())
    params = CoreParams(mcu=mcu, mcus=1, registers=128, instructions=64, memory_words=256)
    array = kind(mcu)
    array.cells = np.random.default_rng(1).integers(-8, 8, array.cells.shape).astype(np.int16)
    core = Core(params, [array], trace=True)
    core.load(assemble_text(TEXT, params).words)
    core.load_memory(0, np.arange(-4, 4))
    core.start()
    assert core.run() is Status.HALTED
    rows = core.events(Event.OPERATION)
    return core, {(int(row[2]), int(row[4] - row[3])) for row in rows}


@pytest.mark.parametrize("kind", [IdealArray, Opaque])
@pytest.mark.parametrize("opa", [OpaParams(), OpaParams(skip_steps=True)])
def test_results_are_the_same_and_times_those_given(kind, opa):
    plain, _ = ran({}, kind, opa)
    other, taken = ran(CYCLES, kind, opa)
    assert taken == {(Operation[name.upper()], cycles) for name, cycles in CYCLES.items()}
    assert (other.registers == plain.registers).all()
    assert (other.memory_words == plain.memory_words).all()
    assert (other.cells(0) == plain.cells(0)).all()
    assert other.registers.any()
    assert other.retired == plain.retired
    assert other.cycle > sum(CYCLES.values()) > plain.cycle
    # the cycle in which a command is taken is not a busy one
    assert other.machine.mcus.busy[0] == 3 * (sum(CYCLES.values()) - len(CYCLES))


@pytest.mark.parametrize("kind", [IdealArray, Opaque])
@pytest.mark.parametrize("name", CYCLES)
def test_each_is_set_alone(kind, name):
    _, plain = ran({}, kind)
    _, taken = ran({name: CYCLES[name]}, kind)
    own = Operation[name.upper()]
    assert {item for item in taken if item[0] != own} == {item for item in plain if item[0] != own}
    assert {item for item in taken if item[0] == own} == {(own, CYCLES[name])}
