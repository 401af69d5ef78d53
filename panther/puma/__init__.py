"""Programs of the published PUMA/PANTHER compiler: text in, a program for a node out.

``NAME-tileT.puma`` is the program of a tile's sequencer, ``NAME-tileT-coreC.puma`` that of a core;
``docs/puma.md`` describes the text and what we take it to mean. In short: words of 16 bits, every
sum saturates, ``relu`` is the greater of 0 and the word, a constant of ``alui('mul')`` is Q4.12 and
its product rounded to nearest, ties up. Tile 0 sends what the host has stored in its memory, tile 1
receives what the host reads. All else that ``train`` does is what our ``mcu`` does.

::

    program = read_program("mlpPanther")           # text: every line checked by itself
    plan = assign_readers(program)                 # masks: reader counts become reader masks
    texts = translate(program, plan, params)       # translate: assembly text of every unit
    start = first_state(program, plan, mcu, seed)  # state: weights and inputs
    end = interpret(program, mcu, start, 28)       # interpreter: the text itself, run by numpy

``interpret`` shares nothing with ``translate`` or the models, so their agreement says something:
:func:`panther.puma.compare.differences` compares all registers, words and cells.
"""

from panther.puma.interpreter import Blocked, Machine, interpret
from panther.puma.masks import Plan, assign_readers
from panther.puma.state import FirstState, first_state
from panther.puma.text import SEQUENCER, Instruction, PumaError, PumaProgram, Unit, read_program
from panther.puma.translate import node_for, translate

__all__ = [
    "SEQUENCER", "Blocked", "FirstState", "Instruction", "Machine", "Plan", "PumaError",
    "PumaProgram", "Unit", "assign_readers", "first_state", "interpret", "node_for", "read_program",
    "translate",
]  # fmt: skip
