"""``panther asm`` and ``panther disasm``: what they write, and that they write nothing."""

import pytest

from panther.arch.core import CoreParams
from panther.asm import assemble_text
from panther.asm.manual import PROGRAM


@pytest.fixture
def panther(panther, tmp_path, monkeypatch):
    """Call the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return panther


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_program_and_listing(panther, tmp_path):
    (tmp_path / "p.pasm").write_text(PROGRAM)
    program = assemble_text(PROGRAM, CoreParams(), name="p.pasm")
    assert panther("asm", "p.pasm", "-o", "p.bin", "--listing", "p.lst") == (
        0, "p.bin: 11 of 512 instructions\n", "",
    )  # fmt: skip
    assert (tmp_path / "p.bin").read_bytes() == program.binary
    assert (tmp_path / "p.lst").read_text() == program.listing
    status, text, _ = panther("disasm", "p.bin")
    assert status == 0
    (tmp_path / "q.pasm").write_text(text)
    assert panther("asm", "q.pasm", "-o", "q.bin")[0] == 0
    assert (tmp_path / "q.bin").read_bytes() == program.binary
    status, text, _ = panther("disasm", "p.bin", "--addresses")
    assert (status, text.splitlines()[0].split()[-2:]) == (0, ["0", f"{program.words[0]:016x}"])


def test_included_files_are_looked_for(panther, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.pasm").write_text("nop\n")
    (tmp_path / "p.pasm").write_text('.include "a.pasm"\n')
    assert panther("asm", "p.pasm", "-o", "p.bin")[0] == 2
    assert panther("asm", "p.pasm", "-o", "p.bin", "-I", "lib")[0] == 0


def test_every_mistake_is_shown_and_nothing_written(panther, tmp_path):
    (tmp_path / "p.pasm").write_text("nix\nvset r0, 1, 0\n")
    (tmp_path / "p.bin").write_text("precious")
    assert panther("asm", "p.pasm", "-o", "p.bin", "--listing", "p.lst") == (
        2,
        "",
        (
            "p.pasm:1:1: error: Unknown instruction nix\n"
            "    nix\n"
            "    ^\n"
            "p.pasm:2:13: error: len must be an integer in the range [1, 1023], not 0\n"
            "    vset r0, 1, 0\n"
            "                ^\n"
            "panther asm: 2 mistakes, nothing written\n"
        ),
    )
    assert files(tmp_path) == ["p.bin", "p.pasm"]
    assert (tmp_path / "p.bin").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["asm", "p.pasm", "-o", "./p.pasm"],
            ("panther asm: error: Program, output and listing must be different files, not "
            "p.pasm, p.pasm"),
        ),
        (
            ["asm", "p.pasm", "-o", "p.bin", "--listing", "none/p.lst"],
            "panther asm: error: Output none/p.lst must be in an existing directory: mkdir -p none",
        ),
        (
            ["asm", "none.pasm", "-o", "p.bin"],
            ("none.pasm: error: Program cannot be read: No such file or directory\n"
            "panther asm: 1 mistake, nothing written"),
        ),
        (
            ["disasm", "p.pasm"],
            "panther disasm: error: p.pasm must consist of words of 8 bytes, not of 4 bytes",
        ),
        (
            ["disasm", "none.bin"],
            "panther disasm: error: none.bin cannot be read: No such file or directory",
        ),
        (["disasm", "."], "panther disasm: error: . must be a regular file"),
    ],
)  # fmt: skip
def test_what_is_wrong(panther, tmp_path, arguments, expected):
    (tmp_path / "p.pasm").write_text("nop\n")
    assert panther(*arguments) == (2, "", f"{expected}\n")
    assert files(tmp_path) == ["p.pasm"]


@pytest.mark.parametrize("text", ["", "; nothing\n.equ n, 4\nend:\n"])
def test_program_without_instructions(panther, tmp_path, text):
    (tmp_path / "p.pasm").write_text(text)
    (tmp_path / "p.bin").write_text("precious")
    assert panther("asm", "p.pasm", "-o", "p.bin", "--listing", "p.lst") == (
        2, "", "panther asm: error: p.pasm must have at least one instruction\n",
    )  # fmt: skip
    assert files(tmp_path) == ["p.bin", "p.pasm"]
    assert (tmp_path / "p.bin").read_text() == "precious"


def test_unknown_preset(panther, tmp_path):
    (tmp_path / "p.pasm").write_text("nop\n")
    status, _, err = panther("asm", "p.pasm", "-o", "p.bin", "--preset", "PAPPER")
    assert (status, files(tmp_path)) == (2, ["p.pasm"])
    assert err.endswith("not 'PAPPER'; did you mean PAPER?\n")
