"""Synthesis: its numbers are those recorded, its tables are not stale, its parsers see faults."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from panther.arch.presets import TINY
from panther.synth import flow, modules, netlist, pins, record
from panther.synth.targets import TARGETS, Target, target


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The smallest unit, synthesized, placed and routed."""
    folder = tmp_path_factory.mktemp("synth")
    stages = []
    synthesis = flow.synthesize(target("mcu-tiny"), folder, stages.append)
    layout = flow.place_and_route(folder, stages.append)
    return folder, record.Entry(synthesis=synthesis, layout=layout), stages


def test_numbers_are_those_recorded(tiny):
    _, entry, stages = tiny
    assert record.differences(entry, record.read()["mcu-tiny"]) == []
    assert entry.synthesis.memories_in_logic == ()
    assert any("yosys: " in stage for stage in stages)
    assert any("nextpnr" in stage for stage in stages)


def test_cells_of_submodules_add_up(tiny):
    _, entry, _ = tiny
    units = entry.synthesis.units
    assert {"xbar_in", "shift_add", "counters", "requantise"} <= set(units)
    total = [sum(column) for column in zip(*units.values(), strict=True)]
    assert total == list(entry.synthesis.cells)


def test_bits_before_mapping(tiny):
    """Two banks of results, a row of cells and the sums of a bit step's lines, in memories."""
    folder, entry, _ = tiny
    words = entry.synthesis.words
    assert 0.8 < words.register_bits / entry.synthesis.cells.flip_flops <= 1
    banks = 2 * max(TINY.rows, TINY.columns) * TINY.operand_bits
    assert words.memory_bits >= banks + TINY.columns * sum(TINY.slices.cell_bits)
    assert (folder / "words.json").is_file()


def test_every_pin_has_a_register(tiny):
    folder, entry, _ = tiny
    verilog = (folder / "design.v").read_text()
    bits = sum(port.bits for port in modules.ports(verilog, "mcu")) - 2  # without clock and reset
    placed = json.loads((folder / "pins.json").read_text())["modules"][pins.TOP]
    assert netlist.cells(placed).flip_flops == entry.synthesis.cells.flip_flops + bits
    assert netlist.cells(placed).luts == entry.synthesis.cells.luts
    assert sum(len(port["bits"]) for port in placed["ports"].values()) == 3


def test_path_is_one_of_registers(tiny):
    folder, entry, _ = tiny
    path = entry.layout.path
    assert path.nanoseconds == pytest.approx(1000 / entry.layout.fmax_mhz, rel=0.01)
    assert 0 < path.routing_nanoseconds < path.nanoseconds
    assert path.levels >= 1
    report = json.loads((folder / "timing.json").read_text())
    report["fmax"]["other"] = {"achieved": 1.0}
    with pytest.raises(ValueError, match=r"^Design must have one clock, not "):
        netlist.slowest_path(report)


@pytest.mark.parametrize("factor", [0.85, 1.15])
@pytest.mark.parametrize("name", ["luts", "flip_flops", "block_rams", "multipliers"])
def test_a_number_that_is_off_is_seen(name, factor):
    cells = netlist.Cells(luts=1000, flip_flops=1000, block_rams=20, multipliers=20)
    good = entry_of(cells, 100.0)
    other = cells._replace(**{name: round(getattr(cells, name) * factor)})
    (line,) = record.differences(entry_of(other, 100.0), good)
    assert "recorded" in line
    assert record.differences(entry_of(cells, 109.0), good) == []
    (line,) = record.differences(entry_of(cells, 100.0 * factor), good)
    assert line.startswith("Fmax in MHz")
    assert record.differences(entry_of(cells, None), good) == []


def test_a_memory_in_logic_is_seen():
    log = (
        "using FF mapping for memory core.vfu.tables.rom\n"
        "using FF mapping for memory core.$flatten\\x.$auto$proc_rom.cc:155:do_switch$1\n"
        "mapping memory core.words via $__DP16KD_\n"
    )
    assert netlist.memories_in_logic(log) == ("vfu.tables.rom",)
    cells = netlist.Cells(1, 1, 1, 1)
    before = entry_of(cells, 1.0)
    after = replace(before, synthesis=replace(before.synthesis, memories_in_logic=("words",)))
    assert record.differences(after, before) == ["memory words is in logic"]


def entry_of(cells, fmax):
    cost = flow.Cost(cpu_seconds=1.0, gigabytes=1.0)
    path = netlist.Path("a", "b", 1.0, 0.5, 1)
    return record.Entry(
        synthesis=flow.Synthesis(
            cells=cells, units={}, words=netlist.Words(0, 0, 0, 0), memories_in_logic=(), cost=cost
        ),
        layout=None if fmax is None else flow.Layout(fmax_mhz=fmax, path=path, cost=cost),
    )


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("always @* if (a) q = b;", "[Ll]atch"),
        ("assign q = q ^ a;", "loop"),
        ("assign q = a; assign q = b;", "multiple|conflicting"),
    ],
)
def test_bad_hardware_is_refused(tmp_path, fault, message):
    text = f"module dut(clk, rst, a, b, q);\n  input clk;\n  input rst;\n  input a;\n  input b;\n\
  output q;\n  {'reg' if 'always' in fault else 'wire'} q;\n  {fault}\nendmodule\n"
    bad = Target(top="dut", what="", verilog=lambda: text)
    with pytest.raises(flow.SynthesisError, match=rf"(?s)yosys.*({message})"):
        flow.synthesize(bad, tmp_path, lambda stage: None)


def test_page_is_not_stale():
    text = record.PAGE.read_text()
    assert record.page(text, record.FILE.read_text()) == text, "write it anew: panther synth"


def test_every_design_is_recorded():
    recorded = record.read()
    assert list(recorded) == list(TARGETS)
    for name, entry in recorded.items():
        assert TARGETS[name].routed == (entry.layout is not None), name


def test_record_is_read_back():
    recorded = record.read()
    tools = json.loads(record.FILE.read_text())["tools"]
    assert record.as_json(recorded, tools) == record.FILE.read_text()


def test_command_finds_another_design_as_recorded(panther):
    status, out, err = panther("synth", "mcu-ip-tiny", "--no-fmax")
    assert (status, err) == (0, ""), out
    folder = out.splitlines()[0].removeprefix("logs and netlists: ")
    assert (Path(folder) / "mcu-ip-tiny" / "netlist.json").is_file()
    shutil.rmtree(folder)


def test_command_says_what_is_off(panther, monkeypatch, tmp_path, tiny):
    _, entry, _ = tiny
    file = tmp_path / "synthesis.json"
    recorded = json.loads(record.FILE.read_text())
    recorded["designs"]["mcu-tiny"]["synthesis"]["cells"]["luts"] *= 2
    file.write_text(json.dumps(recorded))
    monkeypatch.setattr(record.read, "__defaults__", (file,))
    monkeypatch.setattr(flow, "synthesize", lambda *_: entry.synthesis)
    status, out, err = panther("synth", "mcu-tiny", "--no-fmax")
    assert status == 1, err
    assert "OFF mcu-tiny: LUTs " in out
    assert "if that is meant: panther synth mcu-tiny --record" in out
    shutil.rmtree(out.splitlines()[0].removeprefix("logs and netlists: "))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mcu-tinny",), "did you mean mcu-tiny?"),
        (("mcu-tiny", "--record", "--no-fmax"), "--record must not be combined with --no-fmax"),
    ],
)
def test_mistakes(panther, arguments, message):
    status, out, err = panther("synth", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("panther synth: error: ")
    assert message in err
