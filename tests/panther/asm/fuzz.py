"""Nonsense for the assembler: ``make fuzz``; the tests take the first few thousand.

Whatever it is given, the assembler returns a program or raises AssemblyError with a place for every
mistake, and soon; and words survive being shown as text and assembled again. Input n of a seed is
always the same.
"""

import argparse
import os
import random
import secrets
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed

from panther.arch.core import CoreParams
from panther.arch.isa import INSTRUCTION_BITS, INSTRUCTIONS, decode
from panther.arch.mcu import ConfigKey
from panther.asm import AssemblyError, Diagnostic, assemble_text, disassemble
from panther.asm.assembler import DIRECTIVES, MAX_ERRORS
from panther.asm.expressions import OPERATORS
from panther.asm.names import FLAGS, READER_NAMES, names_of

PARAMS = CoreParams()
LIMIT_S = 10.0
"""No input may take longer, on a machine that has other things to do."""
CHUNK = 250

VOCABULARY = (
    *INSTRUCTIONS, *DIRECTIVES, *FLAGS, *READER_NAMES, *OPERATORS, *names_of(PARAMS).banks,
    *(key.name.lower() for key in ConfigKey), "(", ")", "~", ",", ",", ",", ":", ":", ";", "#", '"',
    "\n", "\n", "\n", " ", "\t", "r0", "r5", "r1023", "r1024", "s0", "s31", "s32", "m0", "m1", "m2",
    "m9", "m0:mvm", "m1:opa+mtvm", "label", "label:", "again", "end", "end:", "0", "1", "5", "-1",
    "64", "511", "512", "1023", "8191", "8192", "0x", "0xffffffff", "0b101", "0b2", "007", "1e9",
    "99999999999999999999999999999999", "cycle", "rounding", "m0.adc_clip_3", "m7.adc_clip_3",
    '"."', '"nothing.pasm"', '"/dev/zero"', '""', "\x00", "\r", "\x1b[2J", "\ufeff", "é", "\u202e",
)  # fmt: skip


def legal_word(rng: random.Random) -> int:
    item = rng.choice(list(INSTRUCTIONS.values()))
    values = {}
    for part in item.fields:
        edges = (part.least, part.greatest, min(max(0, part.least), part.greatest))
        values[part.name] = rng.choice((rng.randint(part.least, part.greatest), *edges))
    return item.encode(**values)


def words(rng: random.Random) -> tuple[int, ...]:
    """Legal words, legal ones with a bit flipped, and any."""
    made = []
    for _ in range(rng.randrange(1, 24)):
        word = legal_word(rng)
        kind = rng.randrange(4)
        if kind == 0:
            word ^= 1 << rng.randrange(INSTRUCTION_BITS)
        elif kind == 1:
            word = rng.getrandbits(INSTRUCTION_BITS)
        made.append(word)
    return tuple(made)


def legal_text(rng: random.Random) -> str:
    lines = [".equ n, 0x10 ; a constant", "# a comment", "again:"]
    for item in rng.sample(list(INSTRUCTIONS.values()), rng.randrange(1, 12)):
        lines.append(f"    {item.example}")
        if rng.random() < 0.2:
            lines.append(f"    .word {rng.getrandbits(64):#x}")
    return "\n".join([*lines, "end:", ""])


def soup(rng: random.Random) -> bytes:
    glue = rng.choice(("", " ", " "))
    tokens = rng.choices(VOCABULARY, k=rng.randrange(1, 60))
    return glue.join(tokens).encode()


def statements(rng: random.Random) -> bytes:
    """Lines that begin well."""
    lines = []
    for _ in range(rng.randrange(1, 12)):
        head = rng.choice((*INSTRUCTIONS, *DIRECTIVES))
        operands = (
            " ".join(rng.choices(VOCABULARY, k=rng.randrange(1, 4)))
            for _ in range(rng.randrange(0, 7))
        )
        lines.append(f"{head} {', '.join(operands)}")
    return "\n".join(lines).encode()


def mutated(rng: random.Random) -> bytes:
    """A legal program with a few bytes, tokens or lines changed."""
    data = bytearray(legal_text(rng).encode())
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.randrange(1, 12))
        kind = rng.randrange(5)
        if kind == 0:
            del data[at:to]
        elif kind == 1:
            data[at:at] = data[at:to] * rng.randrange(1, 40)
        elif kind == 2:
            data[at:at] = rng.choice(VOCABULARY).encode()
        elif kind == 3:
            data[at:to] = rng.randbytes(to - at)
        else:
            lines = data.split(b"\n")
            rng.shuffle(lines)
            data = bytearray(b"\n".join(lines))
    return bytes(data)


def extreme(rng: random.Random) -> bytes:
    """Much of one thing."""
    many = rng.choice((31, 32, 33, 300, 998, 3000))
    return rng.choice((
        "sset s1, " + "(" * many + "1" + ")" * many,
        "sset s1, " + rng.choice("-~+") * many + "1",
        "sset s1, " + "1<<" * many + "1",
        "sset s1, " + "9" * many,
        "sset s1, 2" + "*2" * many,
        "sset s1, 1" + rng.choice(("+1", "/0", "%(1-1)", ">>-1", "|1")) * many,
        ".word " + ", " * many,
        "crs " + "m0, " * many + "m1",
        "mcu m0:" + "mvm+" * many + "opa",
        "a: " * many + "nop",
        "nop\n" * many,
        "nix\n" * many,
        ".org 511\n" + "nop\n" * many,
        ".org 0\nnop\n" * many,
        "\n".join(f".equ a{n}, a{n - 1}" for n in range(many)),
        ".equ a0, 1\n" + "\n".join(f".equ a{n}, a{n - 1}*a{n - 1}+3" for n in range(1, many)),
        "\x00" * many,
        ";" + " " * many,
        '.include "' + "x" * many + '"',
        ".include " + '"' * many,
    )).encode()  # fmt: skip


MAKERS = (
    lambda rng: rng.randbytes(rng.randrange(0, 200)),
    lambda rng: bytes(rng.choices(b" \t\n:,;#\"()0123456789abcdefmrsvx._+-*/%&|^~<>", k=80)),
    soup,
    statements,
    mutated,
    extreme,
    lambda rng: legal_text(rng).encode(),
    words,
)  # fmt: skip


def generate(seed: int, number: int) -> bytes | tuple[int, ...]:
    """One input: text, or words."""
    rng = random.Random(f"{seed} {number}")
    return rng.choice(MAKERS)(rng)


def check_words(made: tuple[int, ...]) -> None:
    text = disassemble(made, PARAMS)
    assert assemble_text(text, PARAMS).words == made
    for word in made:
        matching = [item for item in INSTRUCTIONS.values() if item.matches(word)]
        found = decode(word)
        assert matching == ([] if found is None else [found[0]])
        if found is not None:
            assert found[0].encode(**found[1]) == word
    assert disassemble(assemble_text(disassemble(made, PARAMS, addresses=True), PARAMS).words,
                       PARAMS) == text  # fmt: skip


def check_diagnostics(lines: list[bytes], found: tuple[Diagnostic, ...]) -> None:
    # what concerns the file as a whole stands alone, or closes a list that was cut short
    placed = found[:-1] if len(found) > MAX_ERRORS else found
    assert 0 < len(placed) <= MAX_ERRORS
    assert [(item.line, item.column) for item in placed] == sorted(
        (item.line, item.column) for item in placed
    )
    for item in placed:
        assert item.file == "fuzz"
        assert item.message
        assert item.message.isprintable()
        assert 1 <= item.line <= len(lines)
        assert 1 <= item.column <= len(lines[item.line - 1]) + 1
        _, source, mark = str(item).splitlines()
        assert mark.strip() == "^"
        assert len(source) <= 140


def check_text(data: bytes) -> bool:
    """Assemble it; whether it was a program."""
    refused = None
    try:
        program = assemble_text(data, PARAMS, name="fuzz")
    except AssemblyError as error:
        refused = error
    if refused is not None:
        check_diagnostics(data.split(b"\n"), refused.diagnostics)
        return False
    assert len(program.words) <= PARAMS.instructions
    assert len(program.binary) == 8 * len(program.words)
    assert set(program.source) <= set(range(len(program.words)))
    assert program.listing.startswith("addr")
    check_words(program.words)
    return True


def check(seed: int, number: int) -> str:
    """Check one input; say what it was.

    Raises
    ------
    AssertionError
        If anything is wrong with the answer, or it took too long.
    """
    made = generate(seed, number)
    began = time.perf_counter()
    if isinstance(made, tuple):
        check_words(made)
        kind = "words"
    else:
        kind = "program" if check_text(made) else "refused"
    taken = time.perf_counter() - began
    assert taken < LIMIT_S, f"{taken:.1f} s"
    return kind


def _check_all(seed: int, first: int, last: int) -> tuple[dict[str, int], str]:
    """Count what inputs were; the first failure as text."""
    found: dict[str, int] = {}
    for number in range(first, last):
        try:
            kind = check(seed, number)
        except Exception:
            return found, (
                f"input {number}: {repr(generate(seed, number))[:1000]}\n"
                f"{traceback.format_exc()[-3000:]}"
                f"replay: make fuzz SEED={seed} ARGS='--first {number} --inputs 1'"
            )
        found[kind] = found.get(kind, 0) + 1
    return found, ""


def main() -> int:
    from rich.progress import Progress

    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    end = arguments.first + arguments.inputs
    chunks = [(n, min(n + CHUNK, end)) for n in range(arguments.first, end, CHUNK)]
    total: dict[str, int] = {}
    failures = []
    with Progress() as progress, ProcessPoolExecutor(os.cpu_count()) as pool:
        bar = progress.add_task("inputs", total=arguments.inputs)
        jobs = {pool.submit(_check_all, arguments.seed, *chunk): chunk for chunk in chunks}
        for job in as_completed(jobs):
            found, failure = job.result()
            for kind, count in found.items():
                total[kind] = total.get(kind, 0) + count
            if failure:
                failures.append(failure)
            first, last = jobs[job]
            progress.advance(bar, last - first)
    for failure in failures[:3]:
        print(f"FAIL {failure}", file=sys.stderr)
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(total.items()))
    print(f"{sum(total.values())} inputs good ({counts}), {len(failures)} chunks with failures")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
