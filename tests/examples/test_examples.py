"""The training scripts run, are short, and do what README says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    "train_mlp.py": "all 19,280 cells equal golden's at 3 checkpoints\n",
    "train_cnn.py": "all 32,272 cells equal golden's at 1 checkpoint\n",
    "train_onnx.py": "cells are those of golden, uninterrupted: True\n",
    "train_local_errors.py": "crossbars are read by: mvm\n",
}


def said(name, folder):
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)],
        capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_is_run():
    assert set(SCRIPTS) == {path.name for path in (ROOT / "examples").glob("*.py")}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name, tmp_path):
    assert len((ROOT / "examples" / name).read_text().splitlines()) <= 80
    shown = said(name, tmp_path)
    assert SCRIPTS[name] in shown
    accuracy = [float(text) for text in re.findall(r"([\d.]+) %", shown)]
    assert max(accuracy) > 65
    if name == "train_mlp.py":
        readme = (ROOT / "README.md").read_text()
        assert shown in readme
        script = (ROOT / "examples" / name).read_text().partition('"""\n\n')[2]
        assert script in readme
        assert len(script.split("\n\n", 1)[1].splitlines()) <= 5
