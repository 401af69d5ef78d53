"""Decoder against panther.arch.isa.decode: every instruction, every edge of every field."""

import random
from collections.abc import Iterator

import cocotb
from cocotb.triggers import Timer

from cocotb_tests.compare import compare
from cocotb_tests.drivers import unpack
from cocotb_tests.pins import compare_pins
from hdl.core.decoder import decoded_layout
from panther.arch.isa import (
    CORE_INSTRUCTIONS,
    FUNCTION_BITS,
    FUNCTION_LSB,
    INSTRUCTION_BITS,
    INSTRUCTIONS,
    OPCODE_BITS,
    OPCODE_LSB,
    Instruction,
    Unit,
    decode,
)

NUMBERS = {name: number for number, name in enumerate(CORE_INSTRUCTIONS)}
LAYOUT = decoded_layout()
EACH = 6


def golden_fields(word: int) -> dict[str, int] | None:
    """Every field of the decoder's output that is not 0; None if a core refuses the word."""
    found = decode(word)
    if found is None or found[0].unit is Unit.TILE:
        return None
    item, values = found
    fields = {
        "number": NUMBERS[item.mnemonic],
        "function": item.function or 0,
        "lane": int(item.lane or 0),
        f"unit_{item.unit.name.lower()}": 1,
    }
    for name, value in values.items():
        fields |= {name: value, f"has_{name}": 1}
    return fields


async def check(dut, where: str, word: int) -> bool:
    """Decode a word; whether it is legal."""
    dut.word.value = word
    await Timer(1, "ns")
    where = f"{where}, word {word:016x}"
    golden = golden_fields(word)
    compare_pins("Decoder", where, dut, legal=golden is not None)
    if golden is not None:
        decoded = unpack(LAYOUT, dut.decoded)
        for name, _ in LAYOUT:
            compare("Decoder", f"{where}, {name}", golden.get(name, 0), decoded[name])
    return golden is not None


def random_word(rng: random.Random, item: Instruction) -> int:
    """The instruction with legal fields."""
    return item.encode(
        **{part.name: rng.randint(part.least, part.greatest) for part in item.fields}
    )


def with_edges(word: int, item: Instruction) -> Iterator[tuple[str, int]]:
    """The word with each field at its ends and, where it holds more, one beyond."""
    for part in item.fields:
        mask = (1 << part.bits) - 1
        for value in (part.least - 1, part.least, part.greatest, part.greatest + 1):
            yield part.name, word & ~(mask << part.lsb) | (value & mask) << part.lsb


@cocotb.test()
async def every_instruction_is_decoded(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    for name, item in INSTRUCTIONS.items():
        accepted = [await check(dut, name, random_word(rng, item)) for _ in range(EACH)]
        assert all(accepted) == (name in CORE_INSTRUCTIONS), f"{name} must be one of a core's"
        for field, word in with_edges(random_word(rng, item), item):
            await check(dut, f"{name}, {field}", word)


@cocotb.test()
async def reserved_bits_must_be_zero(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    for name, item in INSTRUCTIONS.items():
        for bit in range(INSTRUCTION_BITS):
            if item.fixed_bits >> bit & 1:
                await check(dut, f"{name}, bit {bit}", random_word(rng, item) ^ 1 << bit)


@cocotb.test()
async def every_code_is_looked_at(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    for opcode in range(1 << OPCODE_BITS):
        for function in range(1 << FUNCTION_BITS):
            word = opcode << OPCODE_LSB | function << FUNCTION_LSB
            for rest in (0, 1 << 5, rng.getrandbits(FUNCTION_LSB)):
                await check(dut, f"opcode {opcode}, function {function}", word | rest)
