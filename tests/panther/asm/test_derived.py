"""What is derived from the instruction table says what the table says."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from panther.arch import isa
from panther.arch.core import CoreParams, Csr, Fault
from panther.arch.isa import INSTRUCTIONS
from panther.arch.mcu import ConfigKey
from panther.asm import assemble_text, instruction_text
from panther.asm.__main__ import DERIVED
from panther.asm.assembler import DIRECTIVES
from panther.asm.manual import PROGRAM, diagram, example_word, families, manual, meanings
from panther.asm.names import FLAGS, READER_NAMES, names_of

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", DERIVED)
def test_file_is_not_stale(name):
    assert (ROOT / name).read_text(encoding="utf-8") == DERIVED[name](), "run make isa"


def test_manual_has_every_instruction_once():
    text = manual()
    for item in INSTRUCTIONS.values():
        assert text.count(f'<a id="{item.mnemonic.replace(".", "-")}"></a>') == 1
        assert item.example in text
        assert f"; {example_word(item):016x}\n" in text
    listed = [item.mnemonic for family in families() for item in family]
    assert sorted(listed) == sorted(INSTRUCTIONS)


def test_links_of_the_manual_lead_somewhere():
    text = manual()
    titles = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    places = titles | set(re.findall(r'<a id="([^"]*)">', text))
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert len(links) > len(INSTRUCTIONS)
    assert [link for link in links if link not in places] == []


def test_program_of_the_manual_is_one():
    program = assemble_text(PROGRAM, CoreParams())
    assert 0 not in program.words
    assert program.labels == {"end": len(program.words) - 1}


def test_every_number_has_a_meaning():
    for members in (Csr, Fault, ConfigKey):
        assert list(meanings(members)) == [member.name for member in members]
        assert all(meanings(members).values())


@pytest.mark.parametrize("item", INSTRUCTIONS.values(), ids=lambda item: item.mnemonic)
def test_diagram_covers_the_word(item):
    lines = diagram(item).splitlines()
    bits = [place.split(":") for place in lines[1].split()]
    names = [name.strip() for name in lines[3].strip("|").split("|")]
    assert len(bits) == len(names)
    ranges = [(int(place[0]), int(place[-1])) for place in bits]
    top = 64
    for high, low in ranges:
        assert high == top - 1 >= low
        top = low
    assert top == 0
    for part in item.fields:
        assert ranges[names.index(part.name)] == (part.lsb + part.bits - 1, part.lsb)
    assert names[0] == str(item.opcode)


def test_wider_field_needs_no_other_edit(monkeypatch):
    """The table is the only place that knows how wide a field is."""
    vset = INSTRUCTIONS["vset"]
    fields = tuple(
        replace(part, bits=part.bits + 1) if part.name == "imm" else part for part in vset.fields
    )
    wider = replace(vset, fields=fields)
    monkeypatch.setitem(INSTRUCTIONS, "vset", wider)
    monkeypatch.setitem(isa._CODES, (vset.opcode, vset.function), wider)
    (word,) = assemble_text("vset r0, 65535, 4", CoreParams()).words
    assert instruction_text(word, CoreParams()) == "vset r0, 65535, 4"
    assert isa.decode(word)[1]["imm"] == 65535
    assert "-65536 to 65535" in manual()


def test_grammar_knows_every_word():
    grammar = json.loads(DERIVED["docs/pasm.tmLanguage.json"]())
    scopes = {}
    for pattern in grammar["patterns"]:
        name = pattern.get("name") or pattern["captures"].get("2", {}).get("name")
        scopes[name] = re.compile(pattern["match"])

    def is_a(scope, text):
        found = scopes[f"{scope}.pasm"].search(text)
        if found is None:
            return False
        return found[2 if found.re.groups else 0] == text.split()[-1]

    for mnemonic in INSTRUCTIONS:
        assert is_a("keyword.mnemonic", mnemonic)
        assert is_a("keyword.mnemonic", f"  a: b: {mnemonic}")
        assert not is_a("keyword.mnemonic", f"{mnemonic}x")
    for directive in DIRECTIVES:
        assert is_a("keyword.control.directive", directive)
    for bank in names_of(CoreParams()).banks:
        assert is_a("variable.language.bank", bank)
    for name in ("r0", "r1023", "s31", "m7"):
        assert is_a("variable.language.register", name)
    for name in READER_NAMES:
        assert is_a("constant.language.reader", name)
    for name in FLAGS:
        assert is_a("storage.modifier.flag", name)
    for name in (*Csr, *ConfigKey):
        assert is_a("support.constant", name.name.lower())
    for number in ("0", "0x1F", "0b1_0", "1_000"):
        assert is_a("constant.numeric", number)
    assert not is_a("constant.numeric", "r5")
