"""A vector instruction: groups of four words from the register file through the vector unit."""

import numpy as np

from models.system import scalar_unit, vfu
from models.system.compiled import compiled
from models.system.instruction_memory import Column, Do, Source
from models.system.register_file import record_vector
from panther.arch.core import LANES
from panther.arch.isa import Function

_DIVIDE_CYCLES = 18
_PIPELINE_CYCLES = 1


@compiled
def carry_out(registers, vector_unit, scalars, row, scalar, trace, now):  # type: ignore[no-untyped-def]
    """Carry out an instruction whose group 0 is read in cycle ``now``; its last cycle.

    A group is written two cycles after it was read, one a cycle; in a division 19 and 18.
    """
    words = registers.words
    length = row[Column.LENGTH]
    do = row[Column.DO]
    function = row[Column.FUNCTION]
    d = row[Column.D]
    step = _DIVIDE_CYCLES if do == Do.VECTOR and function == Function.DIV else 1
    first = now + _PIPELINE_CYCLES + step
    last = first + (length - 1) // LANES * step
    if do == Do.FILL:
        words[d : d + length] = scalar
    else:
        a = words[row[Column.A] : row[Column.A] + length]
        if do == Do.REDUCE:
            value = np.int64(vfu.reduce(function, a))
            scalar_unit.write(scalars, d, value, trace, last)
            return last
        b = words[row[Column.B] : row[Column.B] + length]
        vector = row[Column.SOURCE] == Source.VECTOR
        out = words[d : d + length]
        vfu.compute(vector_unit, function, a, b, vector, scalar, row[Column.SHIFT], out)
    record_vector(registers, d, length, trace, first, step)
    return last
