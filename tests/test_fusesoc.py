"""The FuseSoC cores: what their targets do, and that a broken unit does not pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from panther.sim import ROOT

CORES = ROOT / "fusesoc"
BIN = Path(sys.executable).parent


def fusesoc(folder, *arguments):
    """Status and output of fusesoc."""
    return execute(folder, str(BIN / "fusesoc"), "--cores-root", str(CORES), *arguments)


def execute(folder, *command):
    """Status and output of a program that finds our tools through panther tool."""
    done = subprocess.run(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False, timeout=300,
        env={**os.environ, "EDALIZE_LAUNCHER": f"{BIN / 'panther'} tool", "HOME": str(folder)},
    )  # fmt: skip
    return done.returncode, done.stdout


def needs_icarus():
    if shutil.which("iverilog") is None:
        pytest.skip("NOT RUN: icarus is not installed")


@pytest.mark.parametrize("name", ["mcu_ip", "node"])
def test_targets_and_files_are_there(name):
    text = (CORES / f"panther_{name}.core").read_text()
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text)
    assert {"default", "lint", "sim", "synth"} <= set(core["targets"])
    files = [file for fileset in core["filesets"].values() for file in fileset.get("files", [])]
    assert files
    for (file,) in files:
        assert (CORES / file).is_file()


def test_unit_lints_and_the_linter_sees_a_fault(tmp_path):
    where = ("--target=lint", "--flag=tiny", "--build-root=build", "panther:ip:mcu")
    status, said = fusesoc(tmp_path, "run", *where)
    assert status == 0, said
    assert "%Warning" not in said
    # fusesoc would write the Verilog anew: from here on it is its makefile
    (file,) = tmp_path.glob("build/*/lint/mcu_ip.v")
    file.write_text(file.read_text().replace("endmodule", "wire [3:0] a = b;\nendmodule", 1))
    for made in file.parent.glob("V*.mk"):
        made.unlink()
    status, said = execute(file.parent, "make")
    assert status != 0, said
    assert "%Error" in said


def test_unit_passes_its_test_and_a_broken_one_does_not(tmp_path):
    passes_unless_broken(
        tmp_path,
        "panther:ip:mcu",
        "mcu_ip.v",
        (r" transpose = operation == 1'h1", " transpose = 0"),
        (r"assign array__row_drive = ", "assign array__row_drive = 1 ^ "),
        (r"(?m)^    row_negative <= net_\d+", "    row_negative <= 0"),
    )


def test_node_lints(tmp_path):
    status, said = fusesoc(tmp_path, "run", "--target=lint", "--flag=small", "panther:ip:node")
    assert status == 0, said
    assert "%Warning" not in said


def test_node_passes_its_test_and_a_broken_one_does_not(tmp_path):
    passes_unless_broken(
        tmp_path,
        "panther:ip:node",
        "node.v",
        (r"(?m)^    row_negative <= net_\d+", "    row_negative <= 0"),  # an outer product's sign
        (r"(: row__payload\[279:24\])", r"\1 ^ 1"),  # words of a message
    )


def passes_unless_broken(folder, core, name, *faults):
    """Run a core's test, then again with each fault put into its Verilog, file ``name``."""
    needs_icarus()
    where = ("--target=sim", "--flag=tiny", "--build-root=build", core)
    status, said = fusesoc(folder, "run", *where)
    assert status == 0, said
    assert re.search(r"^PASS: \d+ words compared$", said, re.MULTILINE)

    (file,) = folder.glob(f"build/*/sim/{name}")
    text = file.read_text()
    for fault, repaired in faults:
        broken, times = re.subn(fault, repaired, text)
        assert times >= 1, fault
        file.write_text(broken)
        assert execute(file.parent, "make")[0] == 0
        status, said = execute(file.parent, "make", "run")
        assert status != 0, said
        assert "PASS" not in said
        assert "FATAL" in said


def test_launcher_starts_what_it_is_told(tmp_path):
    def tool(*command):
        return subprocess.run(
            [str(BIN / "panther"), "tool", *command], capture_output=True, text=True, check=False
        )

    assert "Yosys 0." in tool("yosys", "-V").stdout
    assert tool("sh", "-c", "exit 3").returncode == 3
    missing = tool("no-such-program", "--help")
    assert missing.returncode == 2
    assert missing.stderr.startswith("panther tool: error: no-such-program must be on PATH")
