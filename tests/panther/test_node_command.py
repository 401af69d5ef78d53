"""``panther node``: folders of programs on a node."""

import numpy as np
import pytest

CORE = "ld r0, s0, 0, 16, take\nvi.add r0, r0, N, 16\nst r0, s0, 64, 16, send_unit\nhlt\n"
FILES = {
    "tile0.core0.pasm": f".equ N, 1\n{CORE.replace(', take', '')}",
    "tile0.sequencer.pasm": ".equ N, 1\nsend s0, 64, 16, 1, 0\nhlt\n",
    "tile1.sequencer.pasm": ".equ N, 1\nrecv s0, 0, 16, 0, core0\nhlt\n",
    "tile1.core0.pasm": ".equ N, 1\nld r0, s0, 0, 16, take\nhlt\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    np.arange(16, dtype="<i2").tofile(tmp_path / "words.bin")
    return tmp_path


def test_programs_halt_and_show_who_was_busy(panther, folder):
    status, out, err = panther(
        "node", folder, "-D", "N=5", "--memory", f"0={folder}/words.bin",
        "--picture", folder / "node.png",
    )  # fmt: skip
    assert status == 0, err
    assert "all 4 programs halted" in out
    assert "1 rows sent" in out
    assert (folder / "node.png").stat().st_size > 10_000


def test_unit_that_waits_in_vain_is_named(panther, folder):
    status, out, _ = panther("node", folder)
    assert status == 1
    assert "tile 0 core 0: WATCHDOG at pc 0" in out
    assert "tile0.core0.pasm:2: ld r0, s0, 0, 16" in out
    assert "words 0..3" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--node", "NONE"], "Node must be one of"),
        (["--set", "width=0"], "Width must be"),
        (["-D", "N"], "Definition must be NAME=INTEGER"),
        (["--memory", "7=x"], "tile from 0 to 1"),
        (["--memory", "0=missing"], "missing cannot be read"),
    ],
)
def test_nonsense_is_refused(rejected, folder, arguments, message):
    assert message in rejected("node", folder, *arguments)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tile0.core9.pasm", "hlt", "Core must be one of 0 to 0, not 9"),
        ("tile2.core0.pasm", "hlt", "Tile must be one of 0 to 1, not 2"),
        ("tile00.core0.pasm", "hlt", "Name must be like tile0.core0.pasm"),
        ("core0.pasm", "hlt", "Name must be like tile0.core0.pasm"),
        ("tile0.core0.pasm", "hlb", "did you mean hlt"),
    ],
)
def test_folder_with_a_mistake_is_not_run(panther, folder, name, text, message):
    (folder / name).write_text(text)
    status, _, err = panther("node", folder)
    assert status == 2
    assert message in err
    assert "nothing was run" in err


def test_empty_folder_is_refused(panther, tmp_path):
    status, _, err = panther("node", tmp_path)
    assert status == 2
    assert "must be a folder with files like tile0.core0.pasm" in err
