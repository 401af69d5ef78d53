"""``docs/isa.md``: the manual, from the instruction table and the docstrings beside the numbers."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache

from panther.arch.core import (
    ADDRESS_BITS,
    CONFIG_READABLE,
    CSR_CONFIG,
    CSR_COUNTERS,
    CSR_COUNTERS_STRIDE,
    CSR_VALUES,
    GENERAL_BASE,
    LANES,
    MAX_MCUS,
    SCALARS,
    WORD_BITS,
    CoreParams,
    Csr,
    Fault,
)
from panther.arch.isa import (
    FUNCTION_BITS,
    FUNCTION_LSB,
    INSTRUCTION_BITS,
    INSTRUCTIONS,
    OPCODE_BITS,
    OPCODE_LSB,
    Field,
    Instruction,
    Kind,
    Unit,
)
from panther.arch.mcu import (
    CONFIG_VALUES,
    ConfigKey,
    InBank,
    Operation,
    OutBank,
    counter_names,
)
from panther.arch.params import MAX_LINES, McuParams
from panther.asm.assembler import DIRECTIVES, MAX_BYTES, MAX_DEPTH, assemble_text
from panther.asm.expressions import MAX_BITS, MAX_LINE, MAX_NESTING
from panther.asm.names import OPERATIONS, READER_NAMES, bank_name, form, operand_fields

EXAMPLE_LABELS = {"again": 2, "end": 20}
"""Labels the examples of the table use, and where they stand."""

PROGRAM = """\
; one layer, four examples: y = ReLU(W x)
.equ n, 64                              ; rows and columns of the layer
.equ x, 0                               ; addresses in the tile's memory
.equ y, 1024

        mcfg m0, rows, n
        mcfg m0, columns, n
        mcfg m0, mvm_shift, 12
        sset s1, x
        loop 4, end
        ld m0.mvm_in, s1, 0, n, take    ; waits until somebody has stored the words
        mcu m0:mvm                      ; goes on at once
        vi.max r0, m0.mvm_out, 0, n     ; waits for the unit
        st r0, s1, y - x, n, core1      ; waits until core 1 has taken the words before
        sadd s1, s1, n
end:    hlt
"""
"""The manual's program; a test assembles it."""

_INTRODUCTION = """\
# Instruction set

Generated from `panther/arch/isa.py` by `make isa`: do not edit. When an instruction does what,
cycle by cycle, stands in [core.md](core.md).
"""

_FORMAT = f"""\
An instruction is a word of {INSTRUCTION_BITS} bits. Bits [{OPCODE_LSB + OPCODE_BITS - 1}:\
{OPCODE_LSB}] are the opcode; where several instructions share one, bits \
[{FUNCTION_LSB + FUNCTION_BITS - 1}:{FUNCTION_LSB}] are the function. Bits
shown as 0 are reserved: a word in which one of them is set, or a field is out of its range, is
illegal. A word of zeros is illegal, so an empty instruction memory is no program. A program's file
is its words from address 0 on, {INSTRUCTION_BITS // 8} bytes each, least significant byte first, \
and nothing else.
"""

_STATE = f"""\
{SCALARS} scalar registers `s0` to `s{SCALARS - 1}` of 32 bits; `s0` is always zero. Everything
else is words of {WORD_BITS} bits, signed, in one address space of {ADDRESS_BITS} bits, the register
file; vector instructions name addresses in it. A vector lies within one bank.
"""

_BANKS = """
N is the number of the matrix unit. A bank has as many words as the crossbar has rows or columns,
however far away the next one begins.
"""

_MEMORY = f"""\
The tile's memory is apart: `ld`, `ld2`, `st` and `inv` reach it at a scalar register plus an
offset, in words. Each group of {LANES} words carries a valid bit and a set of readers. `st` waits
until nobody has to take the group any more, then names the readers that have to; `ld` waits until
the group is valid; `ld` with `take` waits until this core is among the readers and strikes it off.
So producers and consumers need no other synchronisation.
"""

_WATCH_OUT = """\
- `d`, `a` and `b` are addresses, `r5` is one too; `imm` is a number. A name of the wrong sort is
  refused, a number never is: `vi.max 5, 6, 7, 8` is legal.
- A value that does not fit its field is refused, never cut.
- A vector that begins inside a source, behind its first word, would read its own results: fault
  OVERLAP. Beginning at the same word or before it is fine.
- XbarOut can only be read. XbarIn keeps its words over any number of operations.
- `mcu` and `crs` only start; there is nothing to wait with but the data. Reading XbarOut, writing
  XbarIn, `mcfg`, `csrr` of a unit's counter and `hlt` wait for the unit by themselves.
- `take`, `inv`, and `st` without `plain` act on whole groups: the first address must be a
  multiple of four, and a store that ends inside a group marks all of it valid.
- A load of words that nobody stores, and a store of words that nobody takes, end in fault
  WATCHDOG.
- `csr rounding` concerns vector multiplications and right shifts; divisions always round to
  nearest, ties away from zero.
- Scalar arithmetic wraps, vector arithmetic saturates; `csrr s1, saturated` tells how often.
- A jump out of a loop ends it, one to a loop's `end` too. The body must not be empty.
- `.equ` and `.org` see only what stands above them; operands of instructions see everything.
"""

_EXPRESSIONS = f"""\
Expressions are C's over integers: `|`, `^`, `&`, `<< >>`, `+ -`, `* / %` from weak to strong, then
`-`, `+`, `~` and brackets. Division goes toward zero. Numbers are decimal, `0x1f` or `0b101`, with
`_` between digits if you like. Nothing wraps: intermediate values have up to {MAX_BITS} bits. A
name of a program's own has letters, digits, `_` and `.`, and is none of the machine's.

All mistakes of a program are reported in one run. Lines have at most {MAX_LINE} characters, a
program {MAX_BYTES >> 20} MiB of text; brackets nest {MAX_NESTING} deep, included files {MAX_DEPTH}.
"""

_SYNTAX = """\
One instruction a line: mnemonic, then operands separated by commas in the order shown with each
instruction. Operands with a default may be left out from the right. `;` and `#` begin a comment,
`name:` in front defines a label. `panther asm PROGRAM.pasm -o PROGRAM.bin` assembles,
`panther disasm PROGRAM.bin` shows the words as text again."""

_DIRECTIVE_MEANING = {
    ".equ": "the name stands for the value",
    ".org": "the next word goes to this address; words left out are 0, which is illegal",
    ".word": f"a word of {INSTRUCTION_BITS} bits as it is",
    ".include": "the file's lines stand here; it is looked for beside the including file, then in "
    "the folders given with `-I`",
}

_WRITTEN = {
    Kind.NUMBER: "expression",
    Kind.VECTOR: f"expression with `r0` (address {GENERAL_BASE}), `r1`, ... and the banks: "
    "`r5`, `m0.mvm_out + 3`",
    Kind.SCALAR: f"`s0` to `s{SCALARS - 1}`",
    Kind.TARGET: "label, or expression",
    Kind.MCU: f"`m0` to `m{MAX_MCUS - 1}`, as many as the core has, or expression",
    Kind.MCUS: "`m0, m2`: all operands that are left; or one expression",
    Kind.OPERATIONS: f"`m0:{'+'.join(OPERATIONS)}, m1:{OPERATIONS[0]}`: all operands that are "
    "left; or one expression",
    Kind.KEY: "its name, or expression; names of keys go before names of the program",
    Kind.CSR: "its name, or expression; names of registers go before names of the program",
    Kind.READERS: f"expression with `{READER_NAMES[0]}` to `{READER_NAMES[-2]}`, "
    f"`{READER_NAMES[-1]}`: `core0|core2`",
    Kind.FLAG: "its own name behind the other operands",
}

_UNIT_NOTES = {
    Unit.VECTOR: f"n = ceil(len / {LANES}). Words are signed; `sat` limits a result to "
    f"[{-(1 << WORD_BITS - 1)}, {(1 << WORD_BITS - 1) - 1}] and counts it in `csr saturated`.",
    Unit.MEMORY: f"n is the number of groups of {LANES} memory words touched, L the memory's "
    "latency. Offsets and lengths count words.",
}


_COUNTERS = """\
Saturation counter n of matrix unit N, in this order, those ending in a number once for each \
slice; `mcfg` key `clear_counters` clears them."""

_CONFIGURED = """\
What `mcfg` has set of matrix unit N, at the number of its key; after a reset as the table of keys \
says. Like a counter it is read when the unit is idle."""

_SETTINGS = ("number", "name", "legal", "after a reset", "meaning")

_DURATIONS = "How many cycles an operation takes stands in [core.md](core.md#matrix-units)."


@lru_cache(maxsize=16)
def meanings(members: type[Enum]) -> dict[str, str]:
    """What the string below each member says; Python does not keep these."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(members))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for member, below in itertools.pairwise(tree.body):
        if (
            isinstance(member, ast.Assign)
            and isinstance(member.targets[0], ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[member.targets[0].id] = _marked(" ".join(str(below.value.value).split()))
    return found


def _marked(text: str) -> str:
    """Code in a docstring, marked as in Markdown."""
    return text.replace("``", "`")


def _doc(thing: object) -> str:
    return _filled(_marked(inspect.getdoc(thing) or ""))


def diagram(item: Instruction, function: str = "") -> str:
    """The word's fields in a row, most significant bit first."""
    parts = [(OPCODE_LSB, OPCODE_BITS, str(item.opcode))]
    if item.function is not None:
        parts.append((FUNCTION_LSB, FUNCTION_BITS, function or str(item.function)))
    parts += [(part.lsb, part.bits, part.name) for part in item.fields]
    boxes: list[tuple[int, int, str]] = []  # lowest bit, bits, what stands there
    top = INSTRUCTION_BITS
    for lsb, bits, name in sorted(parts, reverse=True):
        if lsb + bits < top:
            boxes.append((lsb + bits, top - lsb - bits, "0"))
        boxes.append((lsb, bits, name))
        top = lsb
    if top:
        boxes.append((0, top, "0"))
    numbers, names = "", ""
    edge = "+"
    for lsb, bits, name in boxes:
        place = f"{lsb + bits - 1}:{lsb}" if bits > 1 else str(lsb)
        width = max(len(name), len(place)) + 2
        numbers += f" {place:^{width}}"
        names += f"|{name:^{width}}"
        edge += "-" * width + "+"
    return f"```text\n{numbers.rstrip()}\n{edge}\n{names}|\n{edge}\n```\n"


def _filled(text: str) -> str:
    """Paragraphs as lines of at most 100 characters."""
    return "\n\n".join(
        textwrap.fill(paragraph, 100, break_long_words=False, break_on_hyphens=False)
        for paragraph in text.strip().split("\n\n")
    )


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n"
                   for row in lines)  # fmt: skip


def _meaning(item: Instruction) -> str:
    """Formulas as code, sentences as they are."""
    return _code(item.meaning) if " = " in item.meaning else item.meaning


def cycles_text(item: Instruction) -> str:
    """How long the instruction takes, waiting apart: ``n + L + 2``."""
    terms = []
    if item.cycles.per_group:
        terms.append("n" if item.cycles.per_group == 1 else f"{item.cycles.per_group} n")
    if item.cycles.latency:
        terms.append("L")
    return " + ".join([*terms, str(item.cycles.fixed)])


def example_word(item: Instruction) -> int:
    """The word of the table's example."""
    known = "".join(f".equ {name}, {value}\n" for name, value in EXAMPLE_LABELS.items())
    return assemble_text(known + item.example, CoreParams()).words[0]


def families() -> list[tuple[Instruction, ...]]:
    """Instructions that differ in function and meaning only, in the table's order."""

    def shape(item: Instruction) -> object:
        return item.unit, item.opcode, item.fields, item.cycles, item.reads, item.writes

    found: dict[object, list[Instruction]] = {}
    for item in INSTRUCTIONS.values():
        found.setdefault(shape(item), []).append(item)
    return [tuple(items) for items in found.values()]


def _anchor(item: Instruction) -> str:
    return item.mnemonic.replace(".", "-")


def _title(family: Sequence[Instruction]) -> str:
    return ", ".join(item.mnemonic for item in family)


def _operands(fields: Sequence[Field]) -> str:
    rows = []
    for part in fields:
        legal = f"{part.least} to {part.greatest}"
        if part.kind is Kind.SCALAR:
            legal = f"s{part.least} to s{part.greatest}"
        elif part.kind is Kind.FLAG:
            legal = "written or not"
        default = "" if part.default is None or part.kind is Kind.FLAG else str(part.default)
        rows.append([_code(part.name), part.kind.value, legal, default, part.meaning])
    return _table(["operand", "is a", "range", "default", "meaning"], rows)


def _section(family: Sequence[Instruction]) -> str:
    first = family[0]
    text = "".join(f'<a id="{_anchor(item)}"></a>' for item in family)
    text += f"\n### {_title(family)}\n\n"
    if len(family) == 1:
        text += f"{_code(form(first))}\n\n{_sentence(_meaning(first))}\n\n"
        text += diagram(first) + "\n"
    else:
        prefix = first.mnemonic.partition(".")[0]
        text += f"{_code(form(first).replace(first.mnemonic, prefix + '.*'))}\n\n"
        text += diagram(first, "function") + "\n"
        text += _table(
            ["instruction", "function", "does"],
            ([_code(item.mnemonic), str(item.function), _meaning(item)] for item in family),
        )
        text += "\n"
    if first.fields:
        text += _operands(first.fields) + "\n"
    facts = [f"Cycles: {cycles_text(first)}"]
    if first.cycles.waits:
        facts[0] += f", plus waiting for {first.cycles.waits}"
    facts += [f"Reads: {first.reads}"] if first.reads else []
    facts += [f"Writes: {first.writes}"] if first.writes else []
    text += ". ".join(facts) + ".\n\n"
    notes: dict[str, list[str]] = {}
    for item in family:
        notes.setdefault(item.note, []).append(item.mnemonic)
    for note, owners in notes.items():
        if note:
            text += note if len(notes) == 1 else f"{', '.join(map(_code, owners))}: {note}"
            text += "\n\n"
    width = max(len(item.example) for item in family)
    words = (f"{item.example:{width}}  ; {example_word(item):016x}\n" for item in family)
    return text + f"```text\n{''.join(words)}```\n"


def _sentence(text: str) -> str:
    if text.startswith("`"):
        return text
    # a formula keeps its small letter
    return f"{text if '[' in text.split()[0] else text[0].upper() + text[1:]}."


def _map() -> str:
    """The address map, from the sizes of an oblong crossbar and of a large one."""
    small = CoreParams(mcu=McuParams(rows=8, columns=16), mcus=MAX_MCUS)
    large = CoreParams(mcu=McuParams(rows=MAX_LINES, columns=MAX_LINES), mcus=MAX_MCUS // 2)

    def line(bank: InBank | OutBank) -> list[str]:
        places = []
        for params in (small, large):
            first, second = (
                params.xbar_in(mcu, bank)
                if isinstance(bank, InBank)
                else params.xbar_out(mcu, bank)
                for mcu in (0, 1)
            )
            places.append(f"{first} + {second - first} N" if first else f"{second} N")
        lines = small.in_lines(bank) if isinstance(bank, InBank) else small.out_lines(bank)
        side = "rows" if lines == small.mcu.rows else "columns"
        access = "read and write" if isinstance(bank, InBank) else "read"
        return [_code(f"mN.{bank_name(bank)}"), *places, side, access]

    rows = [line(bank) for bank in (*InBank, *OutBank)]
    general = f"{GENERAL_BASE}"
    rows.append([_code("r0"), general, general, "general registers", "read and write"])
    small_lines = small.block
    return _table(
        ["bank", f"address, crossbars up to {small_lines} lines", "larger crossbars", "words",
         "access"],
        rows,
    )  # fmt: skip


def _control_registers() -> str:
    rows = []
    for csr in Csr:
        values = ["read-only", "0, and at every start"]
        if csr in CSR_VALUES:
            legal, reset = CSR_VALUES[csr]
            values = [f"{legal[0]} to {legal[-1]}", str(reset)]
        rows.append([str(int(csr)), _code(csr.name.lower()), *values, meanings(Csr)[csr.name]])
    slices = McuParams().slices.count
    counters = list(dict.fromkeys(name.rstrip("0123456789") for name in counter_names(slices)))
    shown = ", ".join(_code(f"mN.{name}{'0' if name.endswith('_') else ''}") for name in counters)
    rows.append([
        f"{CSR_COUNTERS} + {CSR_COUNTERS_STRIDE} N + n", shown, "read-only", "0",
        _COUNTERS,
    ])  # fmt: skip
    rows.append([
        f"{CSR_COUNTERS + CSR_CONFIG} + {CSR_COUNTERS_STRIDE} N + n",
        ", ".join(_code(f"mN.{key.name.lower()}") for key in CONFIG_READABLE), "read-only", "",
        _CONFIGURED,
    ])  # fmt: skip
    return f"{_doc(Csr)}\n\n{_table(_SETTINGS, rows)}"


def _configuration_keys() -> str:
    return _table(
        _SETTINGS,
        (
            [str(int(key)), _code(key.name.lower()), *map(_marked, CONFIG_VALUES[key]),
             meanings(ConfigKey)[key.name]]
            for key in ConfigKey
        ),
    )  # fmt: skip


def _faults() -> str:
    rows = ([str(int(fault)), _code(fault.name), meanings(Fault)[fault.name]] for fault in Fault)
    return f"{_doc(Fault)}\n\n{_table(['number', 'name', 'meaning'], rows)}"


def _operations() -> str:
    rows = ([_code(name), meanings(Operation)[name.upper()]] for name in (*OPERATIONS, "crs"))
    return f"{_doc(Operation)}\n\n{_table(['operation', 'does'], rows)}\n{_filled(_DURATIONS)}"


def _overview() -> str:
    rows = []
    for family in families():
        links = ", ".join(f"[{item.mnemonic}](#{_anchor(item)})" for item in family)
        operands = [_code(part.name) for part in family[0].fields]
        rows.append([str(family[0].opcode), links, ", ".join(operands), cycles_text(family[0])])
    return _table(["opcode", "instructions", "operands", "cycles"], rows)


def manual() -> str:
    """The whole text of ``docs/isa.md``."""
    chapters = {
        "The word": f"{_filled(_FORMAT)}\n",
        "Registers and addresses": "\n\n".join(
            (_filled(_STATE), _map() + "\n" + _filled(_BANKS), f"{_filled(_MEMORY)}\n")
        ),
        "Writing programs": _writing(),
        "Watch out": _WATCH_OUT,
        "Overview": "Cycles come without waiting; n counts groups of four words, L is the "
        f"memory's latency.\n\n{_overview()}",
    }
    for unit in Unit:
        members = [family for family in families() if family[0].unit is unit]
        note = f"{_filled(_UNIT_NOTES[unit])}\n\n" if unit in _UNIT_NOTES else ""
        if unit is Unit.MATRIX:
            note = f"{_operations()}\n\n"
        chapters[f"Instructions: {unit.value}"] = note + "\n".join(map(_section, members))
    chapters["Control registers"] = _control_registers()
    chapters["Configuration keys"] = _configuration_keys()
    chapters["Faults"] = _faults()
    contents = "".join(
        f"- [{title}](#{''.join(c for c in title.lower() if c not in ':').replace(' ', '-')})\n"
        for title in chapters
    )
    body = "\n".join(f"## {title}\n\n{text}" for title, text in chapters.items())
    return f"{_INTRODUCTION}\n{contents}\n{body}"


def _writing() -> str:
    where = ", ".join(f"`{name}` at {value}" for name, value in EXAMPLE_LABELS.items())
    return "\n\n".join([
        f"```text\n{PROGRAM}```",
        _filled(f"{_SYNTAX} In the examples below labels stand for addresses: {where}."),
        _table(
            ["directive", "meaning"],
            ([_code(shape), _DIRECTIVE_MEANING[name]] for name, shape in DIRECTIVES.items()),
        ).strip(),
        _table(["operand", "written"], ([kind.value, text] for kind, text in _WRITTEN.items())),
    ]) + f"\n{_filled(_EXPRESSIONS)}\n"  # fmt: skip


__all__ = ["EXAMPLE_LABELS", "PROGRAM", "cycles_text", "diagram", "manual",
           "meanings", "operand_fields"]  # fmt: skip
