"""Programs: what they mean, and what is said about those that mean nothing."""

import dataclasses
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panther.arch.core import CoreParams, csr_names
from panther.arch.isa import INSTRUCTIONS, Kind, decode
from panther.arch.mcu import ConfigKey
from panther.arch.params import McuParams
from panther.asm import AssemblyError, assemble_file, assemble_text, read_binary
from panther.asm.assembler import MAX_BYTES, MAX_ERRORS
from panther.asm.manual import EXAMPLE_LABELS
from panther.asm.names import LISTS, form, operand_fields

PARAMS = CoreParams()
KNOWN = "".join(f".equ {name}, {value}\n" for name, value in EXAMPLE_LABELS.items())


def fields_of(line):
    """Assemble one line; its field values."""
    (word,) = assemble_text(KNOWN + line, PARAMS).words
    found = decode(word)
    assert found is not None
    return found[1]


def messages(text, params=PARAMS):
    """Everything said about a text, without the lines it concerns."""
    with pytest.raises(AssemblyError) as caught:
        assemble_text(text, params, name="p")
    return [f"{item.line}:{item.column}: {item.message}" for item in caught.value.diagnostics]


def message(line):
    """The only thing said about a line, without its place."""
    (only,) = messages(line)
    return only.split(": ", 1)[1]


def value_of(expression):
    """What an expression is worth, or what is said about it."""
    try:
        return assemble_text(f".word {expression}", PARAMS).words[0]
    except AssemblyError as error:
        return str(error)


# ---- what programs mean


@pytest.mark.parametrize("item", INSTRUCTIONS.values(), ids=lambda item: item.mnemonic)
def test_example_of_the_table_is_its_instruction(item):
    (word,) = assemble_text(KNOWN + item.example, PARAMS).words
    assert decode(word)[0] is item
    # the operands land in the fields the example names them for
    written = item.example.removeprefix(item.mnemonic).replace(" ", "").split(",")
    for part, text in zip(operand_fields(item), written, strict=False):
        if part.kind is Kind.NUMBER:
            assert part.take(word) == int(text)
        elif part.kind is Kind.SCALAR:
            assert part.take(word) == int(text[1:])
        elif part.kind is Kind.TARGET:
            assert part.take(word) == EXAMPLE_LABELS[text]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("vset r5, -1, 16", {"d": 6149, "imm": -1, "len": 16}),
        ("v.mov m1.opa_columns + 64, m0.mtvm_out, 3", {"d": 960, "a": 4224, "len": 3}),
        ("ld m0.mvm_in, s31, -4, 64, take", {"d": 0, "base": 31, "offset": -4, "take": 1}),
        ("ld m0.mvm_in, s31, -4, 64", {"take": 0}),
        ("st r0, s1, 0, 10", {"readers": 0, "plain": 0}),
        ("st r0, s1, 0, 10, plain", {"readers": 0, "plain": 1}),
        ("st r0, s1, 0, 10, core0|core2 | send_unit", {"readers": 0x105, "plain": 0}),
        ("st r0, s1, 0, 10, 3, plain", {"readers": 3, "plain": 1}),
        ("crs m1", {"mcus": 2}),
        ("crs m1, m0", {"mcus": 3}),
        ("crs 0x84", {"mcus": 0x84}),
        ("mcu m0:mvm+opa, m1:mtvm", {"operations": 0b010101}),
        ("mcu 1 << 23", {"operations": 1 << 23}),
        ("mcfg m1, rows, 5", {"mcu": 1, "key": ConfigKey.ROWS, "value": 5}),
        ("mcfg 7, 15, 5", {"mcu": 7, "key": 15}),
        ("csrr s3, m1.adc_clip_3", {"sd": 3, "id": csr_names(PARAMS)["m1.adc_clip_3"]}),
        ("csr 4095, 0xffff_ffff", {"id": 4095, "value": 0xFFFFFFFF}),
        ("jmp end", {"target": 20}),
        ("jmp end - again", {"target": 18}),
    ],
)
def test_operands(line, values):
    found = fields_of(line)
    assert {name: found[name] for name in values} == values


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 - 2 - 1", 4),
        ("1 << 2 + 1", 8),
        ("6 & 3 | 8", 10),
        ("1 | 2 ^ 3 & 2", 1 | 2 ^ 3 & 2),
        ("5 ^ 1 | 2", 6),
        ("5 ^ 3 & 1", 4),
        ("1 | 1 ^ 1", 1),
        ("6 & 1 << 1", 2),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7 / -2", -3),
        ("7 % -2", 1),
        ("-16 >> 2", -4),
        ("~0x0f & 0b111_1111", 112),
        ("- -3", 3),
        ("+1_000", 1000),
        ("1 << 70 >> 68", 4),
    ],
)
def test_expressions_are_those_of_c(expression, value):
    assert fields_of(f"sset s1, {expression}")["imm"] == value


@given(
    st.recursive(
        st.integers(0, 99).map(str),
        lambda inner: (
            st.tuples(inner, st.sampled_from(("|", "^", "&", "+", "-", "*")), inner).map(" ".join)
            | inner.map("({})".format)
            | inner.map("~{}".format)
            | st.tuples(inner, st.sampled_from(("<< 1", ">> 2"))).map(" ".join)
        ),
        max_leaves=6,
    )
)
def test_precedence_is_pythons(expression):
    found = value_of(f"({expression}) & 0xffffffff")
    if isinstance(found, int):
        assert found == eval(expression) & 0xFFFFFFFF
    else:
        assert "Shift must be" in found or "at most 80 bits" in found


def test_labels_constants_and_holes():
    program = assemble_text(
        ".equ n, 4\n"
        "start: first: loop n * 2, end\n"
        "  nop ; not the last\n"
        "end:\n"
        ".org end + 2\n"
        "  jmp start # back\n"
        "  .word -1\n"
        "last:",
        PARAMS,
    )
    nop = INSTRUCTIONS["nop"].encode()
    jmp = INSTRUCTIONS["jmp"].encode(target=0)
    loop = INSTRUCTIONS["loop"].encode(count=8, end=2)
    assert program.words == (loop, nop, 0, 0, jmp, (1 << 64) - 1)
    assert program.labels == {"start": 0, "first": 0, "end": 2, "last": 6}
    assert program.constants == {"n": 4}
    assert program.symbols == program.labels | program.constants
    assert program.where(1) == "<text>:3"
    assert program.where(3) == "address 3"
    assert program.source[4].text == "  jmp start # back"
    assert program.binary[:16] == loop.to_bytes(8, "little") + nop.to_bytes(8, "little")


def test_org_may_name_the_end_of_the_memory():
    assert assemble_text(".org 512\nend:", PARAMS).labels == {"end": 512}


def test_org_goes_back_into_a_hole():
    program = assemble_text(".org 2\nnop\n.org 0\nhlt\nnop", PARAMS)
    assert len(program.words) == 3
    assert [line.number for _, line in sorted(program.source.items())] == [4, 5, 2]


def test_names_of_keys_and_registers_go_before_those_of_the_program():
    assert fields_of(".equ rows, 3\nmcfg m0, rows, rows")["key"] == ConfigKey.ROWS
    assert fields_of(".equ rows, 3\nmcfg m0, columns, rows")["value"] == 3
    assert fields_of(".equ cycle, 9\ncsrr s1, cycle")["id"] == 3


def test_large_crossbars_have_their_own_map():
    large = CoreParams(mcu=McuParams(rows=256, columns=200))
    (word,) = assemble_text("v.mov r0, m1.mtvm_out, 1", large).words
    assert decode(word)[1]["a"] == large.xbar_out(1, 1) == 4096 + 3 * 256


@pytest.mark.parametrize("text", ["", "\n", ";", "a:", "\ufeff; mark of an editor\r\n"])
def test_no_words(text):
    program = assemble_text(text, PARAMS)
    assert (program.words, program.binary) == ((), b"")
    assert program.listing.startswith("addr")


def test_line_ends_of_other_systems():
    assert len(assemble_text("\ufeffnop\r\n\thlt\r\n", PARAMS).words) == 2


def test_listing(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "f.pasm").write_text("f: hlt\n")
    main = tmp_path / "main.pasm"
    main.write_text('.equ n, 5\n.include "lib/f.pasm"\n.org 3\n  jmp f ; on\n')
    lines = assemble_file(main, PARAMS).listing.splitlines()
    assert [line.split() for line in lines] == [
        ["addr", "word", "line", "source"],
        ["1", ".equ", "n,", "5"],
        ["2", ".include", '"lib/f.pasm"'],
        ["0", "0800000000000000", f"{tmp_path}/lib/f.pasm:1", "f:", "hlt"],
        ["3", ".org", "3"],
        ["3", "0c00000000000000", "4", "jmp", "f", ";", "on"],
        [],
        ["symbol", "value", "kind"],
        ["f", "0", "label"],
        ["n", "5", "constant"],
    ]


# ---- what is said about those that mean nothing


def test_message_shows_the_place():
    with pytest.raises(AssemblyError) as caught:
        assemble_text("nop\n\tvi.max r0, r1, 5000, 4 ; too much\n", PARAMS, name="mlp.pasm")
    assert str(caught.value) == (
        "mlp.pasm:2:17: error: imm must be an integer in the range [-4096, 4095], not 5000\n"
        "     vi.max r0, r1, 5000, 4 ; too much\n"
        "                    ^"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vi.mx r0, r1, 3, 4", "Unknown instruction vi.mx; did you mean vi.max?"),
        ("NOP", "Unknown instruction NOP; did you mean nop?"),
        ("vi.max r0, r1, 3", "vi.max takes 4 operands, not 3: vi.max d, a, imm, len"),
        ("nop 1", "nop takes no operands, not 1: nop"),
        ("jmp", "jmp takes 1 operand, not 0: jmp target"),
        ("crs", "crs takes at least 1 operand, not 0: crs m0, m1, ..."),
        (
            "st r0, s1",
            "st takes at least 4 operands, not 2: st a, base, offset, len [, readers] [, plain]",
        ),
        (
            "ld r0, s1, 0, 4, 5, take",
            "ld takes 4 operands, not 5: ld d, base, offset, len [, take]",
        ),
        ("v.add r0,, r1, 4", "Operand must not be left out: v.add d, a, b, len"),
        ("v.add r0, r1, r2, 4,", "Operand must not be left out: v.add d, a, b, len"),
        ("ld r0, s1, 0, 4, take, take", "take must be written once"),
        (
            "st r0, s1, 0, 4, plain, core0",
            "plain is a flag: it stands behind the other operands of its instructions",
        ),
        ("sset s32, 1", "sd must be a scalar register s0 to s31, not s32"),
        ("sset 1, 1", "sd must be a scalar register s0 to s31, not 1"),
        ("sset s1, s2", "s2 is a scalar register and cannot stand here"),
        (
            "vset r0, r1, 4",
            "r1 is a register-file address of a vector and cannot stand here",
        ),
        ("jmp core0", "core0 is a reader and cannot stand here"),
        ("vset r1024, 0, 4", "General register must be r0 to r1023, not r1024"),
        ("vset m2.mvm_in, 0, 4", "Matrix unit must be m0 to m1, not m2"),
        (
            "vset m0.mvm, 0, 4",
            (
                "Bank of m0 must be one of mvm_in, mtvm_in, opa_rows, opa_columns, mvm_out, "
                "mtvm_out, not mvm"
            ),
        ),
        ("vset m0, 0, 4", "m0 is a matrix unit and cannot stand here"),
        (
            "st r0, s1, 0, 4, core8",
            (
                "Reader must be one of core0, core1, core2, core3, core4, core5, core6, core7, "
                "send_unit, not core8"
            ),
        ),
        ("crs m0, m2", "Matrix unit must be m0 to m1, not m2"),
        ("crs m0, m0", "m0 must be named once"),
        ("crs m0 m1", "Matrix units must be separated by commas"),
        ("crs 1, m1", "mcus must be names, or one number"),
        ("crs 0", "mcus must be an integer in the range [1, 255], not 0"),
        ("mcu m0:crs", "Operation must be one of mvm, mtvm, opa, not crs"),
        ("mcu m0:mvm+mvm", "mvm must be named once"),
        ("mcu m0:mvm, m0:opa", "m0 must be named once"),
        ("mcu m0:mvm opa", "Operations must be written like m0:mvm+mtvm"),
        ("mcu m2:mvm", "Matrix unit must be m0 to m1, not m2"),
        ("mcu m0", "m0 is a matrix unit and cannot stand here"),
        ("csr roundin, 1", "roundin is no control register; did you mean rounding?"),
        (
            "mcfg m0, mvm_shft, 1",
            "mvm_shft is no configuration key of a matrix unit; did you mean mvm_shift?",
        ),
        ("mcfg m2, rows, 1", "Matrix unit must be m0 to m1, not m2"),
        ("jmp nowhere", "nowhere must be defined"),
        ("here: jmp hero", "hero must be defined; did you mean here?"),
        ("vset m0.mvm_in, 1 / (2 - 2), 4", "Divisor of / must not be 0"),
        ("vset r0, 1 % 0, 4", "Divisor of % must not be 0"),
        ("sset s1, 1 << 81", "Shift must be an integer in the range [0, 80], not 81"),
        ("sset s1, 1 << -1", "Shift must be an integer in the range [0, 80], not -1"),
        ("sset s1, 1 << 80", "Value must have at most 80 bits"),
        ("sset s1, (1 + 2", "Bracket must be closed"),
        ("sset s1, 1 + 2)", "Expression must end before ')'"),
        ("sset s1, 1 2", "Expression must end before '2'"),
        ("sset s1, 1 +", "Expression must go on after '+'"),
        ("sset s1, * 2", "Expression must not have '*' here"),
        ("sset s1, " + "(" * 40 + "1" + ")" * 40, "Expression must nest at most 32 deep"),
        (
            "sset s1, 017",
            "Number must be decimal, hexadecimal (0x1f) or binary (0b101), not '017'",
        ),
        ("sset s1, 1 = 2", "Character '=' has no meaning here"),
        ("nop ; \x1b[2J", "Character U+001B must not be used"),
        ("nop \x00", "Character U+0000 must not be used"),
        (";" * 1001, "Line must have at most 1000 characters, not 1001"),
        ('.include "x', "Text must end with a quotation mark"),
        (".include x", '.include must be written .include "file"'),
        (
            ".org 513",
            ".org must be an integer in the range [0, 512], not 513",
        ),
        (".org -1", ".org must be an integer in the range [0, 512], not -1"),
        (".org", ".org must be written .org expression"),
        (
            ".org after\nafter:",
            "after must be defined above this line: .equ and .org do not look ahead",
        ),
        (
            ".word 1 << 64",
            (
                ".word must be an integer in the range "
                "[-9223372036854775808, 18446744073709551615], not 18446744073709551616"
            ),
        ),
        (".equ n", ".equ must be written .equ NAME, expression"),
        (".equ 5, 6", ".equ must be written .equ NAME, expression"),
        (".equ r5, 6", "r5 is a name of the machine: choose another one"),
        ("take: nop", "take is a name of the machine: choose another one"),
        (".equ .n, 6", "Name must begin with a letter or an underscore, not '.n'"),
        (
            ".wrod 5",
            "Directive must be one of .equ, .org, .word, .include, not .wrod; did you mean .word?",
        ),
        ("5 nop", "Line must begin with a label, an instruction or a directive, not '5'"),
    ],
)
def test_message(line, expected):
    assert message(line) == expected


def test_every_mistake_in_one_run_by_place():
    assert messages(
        "a: nop\n"
        "a: vi.mx r0\n"
        "  vset r9999, 1 / 0, 0\n"
        "b: jmp c\n"
        '  "\n'
        ".equ d, e\n"
        "  jmp d\n"  # not to blame: the mistake is in the definition
        "  jmp b\n"
    ) == [
        "2:1: a must be defined once; it is already at p:1",
        "2:4: Unknown instruction vi.mx; did you mean vi.max?",
        "3:8: General register must be r0 to r1023, not r9999",
        "3:17: Divisor of / must not be 0",
        "3:22: len must be an integer in the range [1, 1023], not 0",
        "4:8: c must be defined",
        "5:3: Text must end with a quotation mark",
        "6:9: e must be defined above this line: .equ and .org do not look ahead",
    ]


@pytest.mark.parametrize("bad", ["nop $", "nix", "v.add", "nop ,", ".word x"])
def test_labels_behind_a_mistake_keep_their_addresses(bad):
    assert len(messages(f"{bad}\nbehind: vset r0, 1, behind")) == 1


def test_undefined_name_is_reported_at_every_use():
    assert messages("jmp x\njmp x") == ["1:5: x must be defined", "2:5: x must be defined"]


def test_word_has_one_owner():
    assert messages("nop\nnop\n.org 1\nhlt") == ["4:1: Address 1 must hold one word; p:2 fills it"]


def test_program_longer_than_the_memory():
    small = CoreParams(instructions=3)
    assert len(assemble_text("nop\n" * 3, small).words) == 3
    assert messages("nop\n" * 5, small) == ["4:1: Program must have at most 3 instructions, not 5"]


def test_bytes_that_are_no_text():
    assert messages("é nop".encode() + b"\xff") == ["1:6: Byte 0xff must be part of UTF-8"]
    assert messages(b"nop\n\xc3\n") == ["2:1: Byte 0xc3 must be part of UTF-8"]
    assert messages("nop ; \udc80") == ["1:7: Byte 0xed must be part of UTF-8"]


def test_too_many_mistakes_and_too_much_text():
    found = messages("jmp x\n" * (MAX_ERRORS + 5))
    assert len(found) == MAX_ERRORS + 1
    assert found[-1] == f"0:0: {MAX_ERRORS} mistakes: the rest of the program was not looked at"
    (only,) = messages(" " * (MAX_BYTES + 1))
    assert only == f"0:0: p must have at most {MAX_BYTES} bytes, not {MAX_BYTES + 1}"


def test_long_line_is_shown_around_the_mistake():
    with pytest.raises(AssemblyError) as caught:
        assemble_text("sset s1, " + "0 + " * 200 + "x", PARAMS)
    _, source, mark = str(caught.value).splitlines()
    assert source[len(mark) - 1] == "x"
    assert len(source) <= 140


@pytest.mark.parametrize(
    ("item", "part"),
    [
        pytest.param(item, part, id=f"{item.mnemonic}-{part.name}")
        for item in INSTRUCTIONS.values()
        for part in operand_fields(item)
    ],
)
def test_extremes_of_every_field(item, part):
    def line(value):
        texts = []
        for other in operand_fields(item):
            number = value if other is part else max(0, other.least)
            texts.append(f"s{number}" if other.kind is Kind.SCALAR else str(number))
        return f"{item.mnemonic} {', '.join(texts)}"

    for value in (part.least, part.greatest):
        assert fields_of(line(value))[part.name] == value
    for value in (part.least - 1, part.greatest + 1):
        if part.kind is Kind.SCALAR:
            bad = f"s{value}" if value >= 0 else "s"
            expected = f"{part.name} must be a scalar register s0 to s31, not {bad}"
        else:
            expected = (
                f"{part.name} must be an integer in the range "
                f"[{part.least}, {part.greatest}], not {value}"
            )
        assert message(line(value)) == expected


def test_forms_name_every_operand():
    for item in INSTRUCTIONS.values():
        for part in item.fields:
            if part.kind not in LISTS:
                assert part.name in form(item)


# ---- files


def said(path, include=()):
    with pytest.raises(AssemblyError) as caught:
        assemble_file(path, PARAMS, include=include)
    return [str(item).splitlines()[0] for item in caught.value.diagnostics]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.pasm"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return write


def test_included_file_stands_beside_the_including_one(folder):
    folder(
        main='.include "lib/a.pasm"\nend: jmp end', lib__a='nop\n.include "b.pasm"', lib__b="hlt"
    )
    program = assemble_file("main.pasm", PARAMS)
    assert [program.where(n) for n in range(3)] == ["lib/a.pasm:1", "lib/b.pasm:1", "main.pasm:2"]
    assert program.labels == {"end": 2}


def test_included_file_may_stand_in_a_given_folder(folder):
    folder(main='.include "a.pasm"', lib__a="nop")
    assert said("main.pasm") == [
        "main.pasm:1:10: error: a.pasm cannot be read: No such file or directory"
    ]
    assert assemble_file("main.pasm", PARAMS, include=["lib"]).where(0) == "lib/a.pasm:1"
    folder(a="hlt\nhlt")
    assert len(assemble_file("main.pasm", PARAMS, include=["lib"]).words) == 2


def test_file_may_be_included_twice_but_not_by_itself(folder):
    folder(main='.include "a.pasm"\n' * 2, a="nop")
    assert len(assemble_file("main.pasm", PARAMS).words) == 2
    folder(main='.include "a.pasm"', a='.include "./main.pasm"')
    assert said("main.pasm") == ["a.pasm:1:10: error: main.pasm must not include itself"]


def test_included_files_have_a_depth_and_a_size(folder):
    folder(**{f"a{n}": f'.include "a{n + 1}.pasm"' for n in range(18)}, a18="nop")
    assert len(assemble_file("a2.pasm", PARAMS).words) == 1
    assert said("a1.pasm") == ["a17.pasm:1:10: error: Files must be included at most 16 deep"]
    # every file includes the next one twice: a million lines from twenty short files
    folder(**{f"b{n}": f'.include "b{n + 1}.pasm"\n' * 2 for n in range(12)}, b12=";" * 900)
    assert said("b0.pasm")[0].endswith(
        f": error: Program must have at most {MAX_BYTES} bytes of text, included files counted"
    )


@pytest.mark.parametrize("name", [".", "pipe", "/dev/zero"])
def test_what_is_no_file_is_not_read(folder, name):
    os.mkfifo("pipe")
    folder(main=f'.include "{name}"')
    assert said("main.pasm") == [f"main.pasm:1:10: error: {name} must be a regular file"]
    assert said(name) == [f"{name}: error: {name} must be a regular file"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.pasm", "No such file or directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_file_that_cannot_be_read(name, reason):
    assert said(name) == [f"{name}: error: Program cannot be read: {reason}"]


def test_mistakes_of_all_files_in_their_order(folder):
    folder(main='bad\n.include "a.pasm"\nworse', a="\nnix")
    assert [line.partition(": error")[0] for line in said("main.pasm")] == [
        "main.pasm:1:1", "main.pasm:3:1", "a.pasm:2:1",
    ]  # fmt: skip


def test_file_of_words_is_read_back(tmp_path):
    program = assemble_text("nop\nhlt", PARAMS)
    path = tmp_path / "p.bin"
    path.write_bytes(program.binary)
    assert read_binary(path) == program.words
    path.write_bytes(program.binary[:-3])
    with pytest.raises(ValueError, match=r"p\.bin must consist of words of 8 bytes, not of 13"):
        read_binary(path)
    path.write_bytes(bytes(8 * 8193))
    with pytest.raises(ValueError, match=r"p\.bin must have at most 65536 bytes, not 65544"):
        read_binary(path)


def test_program_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        assemble_text("nop", PARAMS).words = ()
