"""Assembler and disassembler, and what else is derived from the instruction table.

::

    program = assemble_file("relu.pasm", CoreParams())
    program.words[0]                   # a word of 64 bits
    program.where(0)                   # relu.pasm:3
    disassemble(program.words, CoreParams())
"""

from panther.asm.assembler import assemble_file, assemble_text
from panther.asm.disassembler import disassemble, instruction_text
from panther.asm.node_folder import read_node_program, unit_name
from panther.asm.program import AssemblyError, Diagnostic, Line, Program, read_binary

__all__ = [
    "AssemblyError", "Diagnostic", "Line", "Program", "assemble_file", "assemble_text",
    "disassemble", "instruction_text", "read_binary", "read_node_program", "unit_name",
]  # fmt: skip
