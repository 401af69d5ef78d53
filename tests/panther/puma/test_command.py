"""``panther import-puma``."""

import shutil
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "data" / "puma"
SAMPLE = DATA / "convGPanther"


def test_sample_runs_and_what_is_written_runs_too(panther, tmp_path):
    folder = tmp_path / "program"
    status, out, err = panther("import-puma", SAMPLE, "--output", folder)
    assert status == 0, err
    assert "mvm 18, mtvm 18, opa 18" in out
    assert "transaction level: 9,512 cycles; the reference simulator: 8,063, ratio 1.18" in out
    assert "equal those of the text, interpreted" in out
    command = next(line for line in out.splitlines() if line.startswith("run it: "))
    status, out, err = panther(*command.removeprefix("run it: panther ").split())
    assert status == 0, err
    assert "all 21 programs halted" in out
    assert "9,512 cycles" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing must be a folder"),
        ([SAMPLE, "--engine", "fast"], "Engine must be one of transaction, rtl"),
        ([SAMPLE, "--shift", "56"], r"Shift must be in the range [0, 55], not 56"),
        ([SAMPLE, "--output", DATA], "must be a new folder"),
        ([SAMPLE, "--output", "/proc/nothing/here"], "/proc/nothing/here cannot be written"),
    ],
)
def test_one_line_for_what_is_wrong(panther, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, err = panther("import-puma", *arguments)
    assert status == 2
    assert err.startswith("panther import-puma: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_mistake_in_the_text_is_one_line_and_nothing_is_written(panther, tmp_path):
    shutil.copytree(SAMPLE, tmp_path / "text")
    file = tmp_path / "text" / "convGPanther-tile2-core1.puma"
    file.write_text(file.read_text().replace("counter=1", "counter=7", 1))
    status, _, err = panther("import-puma", tmp_path / "text", "--output", tmp_path / "out")
    assert status == 2
    assert f"{file}:15: counter must be 1, the number of readers, not 7" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
