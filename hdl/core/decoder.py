"""Decoder: an instruction word as its fields, straight from the instruction table."""

from collections.abc import Mapping

from amaranth import Module, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from panther.arch.isa import (
    CORE_INSTRUCTIONS,
    FUNCTION_BITS,
    FUNCTION_LSB,
    INSTRUCTION_BITS,
    OPCODE_BITS,
    VECTOR_FUNCTION_BITS,
    Instruction,
)


def numbers(instructions: Mapping[str, Instruction]) -> dict[str, int]:
    """Every instruction's place in the table."""
    return {name: number for number, name in enumerate(instructions)}


NUMBER = numbers(CORE_INSTRUCTIONS)
"""Places in the table of a core's instructions."""


def decoded_layout(
    instructions: Mapping[str, Instruction] = CORE_INSTRUCTIONS,
) -> data.StructLayout:
    """Fields by name, as wide as the widest of the name; fields an instruction lacks are 0.

    ``number`` is the instruction's place in the table, ``function`` its function bits, ``unit_*``
    say who carries it out, ``lane`` what the lanes of the vector unit do, ``has_*`` whether there
    is such a field.
    """
    shapes = {
        "number": unsigned(len(instructions).bit_length()),
        "function": unsigned(FUNCTION_BITS),
        "lane": unsigned(VECTOR_FUNCTION_BITS),
    }
    for item in instructions.values():
        shapes[f"unit_{item.unit.name.lower()}"] = unsigned(1)
    for item in instructions.values():
        for part in item.fields:
            old = shapes.get(part.name, unsigned(1))
            make = signed if part.signed or old.signed else unsigned
            shapes[part.name] = make(max(old.width, part.bits))
            shapes[f"has_{part.name}"] = unsigned(1)
    return data.StructLayout(shapes)


def _code(item: Instruction) -> str:
    """Opcode and function bits; the latter are anything where the opcode stands alone."""
    function = "-" * FUNCTION_BITS
    if item.function is not None:
        function = f"{item.function:0{FUNCTION_BITS}b}"
    return f"{item.opcode:0{OPCODE_BITS}b}{function}"


class Decoder(wiring.Component):
    """Combinational. A word is legal if its opcode and function are, its reserved bits are 0 and
    every field is in its range.

    Parameters
    ----------
    instructions : Mapping of str to Instruction
        Those to decode, by name; a core's by default.

    Members
    -------
    word : In(64)
        The instruction.
    legal : Out(1)
        It is one of them.
    decoded : Out(decoded_layout(instructions))
        Its fields; without meaning if it is not legal.
    """

    def __init__(self, instructions: Mapping[str, Instruction] = CORE_INSTRUCTIONS) -> None:
        self.instructions = instructions
        super().__init__(
            {
                "word": In(unsigned(INSTRUCTION_BITS)),
                "legal": Out(1),
                "decoded": Out(decoded_layout(instructions)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        decoded = self.decoded
        number = numbers(self.instructions)
        # matching whole words would be simpler, but Yosys runs out of memory over 64 bits
        with m.Switch(self.word[FUNCTION_LSB:]):
            for name, item in self.instructions.items():
                with m.Case(_code(item)):
                    in_range = (self.word & item.fixed_bits) == item.pattern
                    m.d.comb += [
                        decoded.number.eq(number[name]),
                        decoded.function.eq(item.function or 0),
                        decoded[f"unit_{item.unit.name.lower()}"].eq(1),
                    ]
                    if item.lane is not None:
                        m.d.comb += decoded.lane.eq(item.lane)
                    for part in item.fields:
                        value = self.word[part.lsb : part.lsb + part.bits]
                        if part.signed:
                            value = value.as_signed()
                        m.d.comb += [
                            decoded[part.name].eq(value),
                            decoded[f"has_{part.name}"].eq(1),
                        ]
                        if part.low is not None:
                            in_range &= value >= part.low
                        if part.high is not None:
                            in_range &= value <= part.high
                    m.d.comb += self.legal.eq(in_range)
        return m
