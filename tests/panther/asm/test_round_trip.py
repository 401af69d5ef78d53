"""Text, words, text: nothing is lost, nothing is ambiguous."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panther.arch.core import CoreParams
from panther.arch.isa import INSTRUCTION_BITS, INSTRUCTIONS, decode
from panther.arch.params import McuParams
from panther.asm import assemble_text, disassemble, instruction_text
from tests.panther.asm import fuzz

CORES = (
    CoreParams(),
    CoreParams(mcus=8, registers=2048),
    CoreParams(mcu=McuParams(rows=256, columns=16), mcus=1, registers=4, instructions=8192),
    CoreParams(mcu=McuParams(rows=5, columns=7), mcus=3),
)
INPUTS = 4000


@st.composite
def legal_words(draw):
    item = draw(st.sampled_from(list(INSTRUCTIONS.values())))
    return item.encode(
        **{part.name: draw(st.integers(part.least, part.greatest)) for part in item.fields}
    )


def check_word(word, params):
    text = instruction_text(word, params)
    assert assemble_text(text, params).words == (word,)
    assert text.startswith(".word ") == (decode(word) is None)


@given(legal_words(), st.sampled_from(CORES))
def test_legal_word(word, params):
    check_word(word, params)


@given(st.integers(0, (1 << INSTRUCTION_BITS) - 1), st.sampled_from(CORES))
def test_any_word(word, params):
    check_word(word, params)


@given(legal_words(), st.integers(0, INSTRUCTION_BITS - 1), st.sampled_from(CORES))
def test_legal_word_with_a_bit_flipped(word, bit, params):
    check_word(word ^ 1 << bit, params)


@given(st.lists(legal_words() | st.just(0), max_size=20), st.booleans())
def test_program(words, addresses):
    params = CORES[0]
    text = disassemble(words, params, addresses=addresses)
    program = assemble_text(text, params)
    assert program.words == tuple(words)
    assert disassemble(program.words, params, addresses=addresses) == text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("vset 6149, 1, 2", "vset r5, 1, 2"),
        ("vset 512 + 127, 1, 2", "vset m1.mvm_in+127, 1, 2"),
        ("v.mov r0, 4099, 1", "v.mov r0, m0.mvm_out+3, 1"),
        ("vset 1024, 1, 2", "vset 1024, 1, 2"),
        ("ld r0, s3, -1, 2, take", "ld r0, s3, -1, 2, take"),
        ("st r0, s3, -1, 2, 0, plain", "st r0, s3, -1, 2, plain"),
        ("st r0, s3, -1, 2, 0x105", "st r0, s3, -1, 2, core0|core2|send_unit"),
        ("mcu 0b110001", "mcu m0:mvm, m1:mtvm+opa"),
        ("mcu 64", "mcu 0x40"),
        ("crs 3", "crs m0, m1"),
        ("crs 5", "crs 0x5"),
        ("mcfg 1, 2, 3", "mcfg m1, mvm_shift, 3"),
        ("mcfg 2, 9, 3", "mcfg 2, 9, 3"),
        ("csrr s1, 3", "csrr s1, cycle"),
        ("csrr s1, 1024 + 128", "csrr s1, m1.requantise"),
        ("csrr s1, 4000", "csrr s1, 4000"),
        ("jmp 500", "jmp 500"),
        (".word 0", ".word 0x0000000000000000  ; illegal"),
    ],
)
def test_canonical_text(line, text):
    (word,) = assemble_text(line, CORES[0]).words
    assert instruction_text(word, CORES[0]) == text


def test_addresses_behind_a_small_bank_have_no_name():
    item = INSTRUCTIONS["v.mov"]
    for address, text in ((6, "6"), (4, "m0.mvm_in+4"), (4102, "m0.mvm_out+6"), (4103, "4103")):
        word = item.encode(d=6144, a=address, len=1)
        assert instruction_text(word, CORES[3]) == f"v.mov r0, {text}, 1"


def test_jumps_get_labels():
    text = "L0:\n    loop 3, L2\n    nop\nL2:\n    jmp L4\n    jmp L0\nL4:\n"
    words = assemble_text(text, CORES[0]).words
    assert disassemble(words, CORES[0]) == text
    # a target outside of the program stays a number
    assert disassemble(words[:3], CORES[0]).splitlines()[-1] == "    jmp 4"


def test_addresses_are_shown_when_asked_for():
    words = assemble_text("nop\nhlt", CORES[0]).words
    assert [line.split() for line in disassemble(words, CORES[0], addresses=True).splitlines()] == [
        ["nop", ";", "0", "0400000000000000"],
        ["hlt", ";", "1", "0800000000000000"],
    ]


def test_nonsense():
    seed = int(os.environ.get("PANTHER_SEED", "1"))
    kinds = [fuzz.check(seed, number) for number in range(INPUTS)]
    # a fuzzer whose inputs are all refused at once tests little
    for kind in ("program", "refused", "words"):
        assert kinds.count(kind) > INPUTS / 20
