"""``panther cost``: what it prints and leaves, and what it refuses."""

import json
import re
from dataclasses import replace

import pytest

from panther.cost.measure import measure

SMALL = ["--node", "3x1", "--set", "rows=4", "--set", "columns=4", "--set", "adc.per_slice=2"]
SMALL += ["--set", "cores=2", "--set", "mcus=2"]


def test_it_prints_layers_totals_and_other_machines(panther, models, tmp_path):
    files = [tmp_path / name for name in ("cost.json", "cost.html", "trace.json")]
    status, out, err = panther(
        "cost", f"{models}:two", *SMALL, "--crs-period", 2, "--examples", 2, "--against", "digital",
        "--json", files[0], "--html", files[1], "--trace", files[2],
    )  # fmt: skip
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == [
        "two, V1, batch 1",
        (
            "node: 3 x 1 tiles, 3 of them used, of 2 cores with 2 crossbars of 4 x 4, 64 KiB of "
            "memory in a tile"
        ),
    ]
    assert any(line.startswith("layer ") and "energy, nJ" in line for line in lines)
    assert any(line.startswith("energy of an example") and "(" in line for line in lines)
    assert any(line.startswith("digital ") for line in lines)
    assert out.endswith("".join(f"{file}\n" for file in files))
    found = json.loads(files[0].read_text())
    assert (found["network"], found["examples"], found["engine"]) == ("two", 2, "transaction")
    assert [other["prices"] for other in found["against"]] == ["digital"]
    assert json.loads(files[2].read_text())["traceEvents"]
    assert files[1].read_text().startswith("<!doctype html>")


def test_cycles_of_the_source_may_be_taken(panther, models, tmp_path):
    times = []
    for timing in ("ours", "source"):
        file = tmp_path / f"{timing}.json"
        status, out, err = panther(
            "cost", f"{models}:one", *SMALL, "--examples", 1, "--timing", timing, "--json", file
        )
        assert (status, err) == (0, "")
        assert f"cycles {timing}" in out
        assert "note: No CRS in linear_0" in out
        times.append(json.loads(file.read_text())["cycles"])
    # one MVM of 1800 and one OPA of 80, instead of what 4 x 4 cells take
    assert times[1] > times[0] + 1000


@pytest.mark.parametrize("more", [0, 1])
def test_rtl_must_count_what_the_twin_does(panther, models, monkeypatch, more):
    """With a twin in the place of RTL; the RTL itself is in cocotb_tests/test_rtl_engine.py."""

    def in_rtl(compiled, count, seed, cells, data, simulator):
        found = measure(compiled, examples=count, seed=seed)
        counters = [dict(counts) for counts in found.counters]
        counters[0]["core0.m0.pulses"] += more
        return replace(found, engine=simulator, counters=tuple(counters), profiles={})

    monkeypatch.setattr("panther.cost.measure._in_rtl", in_rtl)
    monkeypatch.setattr("panther.cli.simulation.check_simulator", lambda name: None)
    arguments = ["cost", f"{models}:one", *SMALL, "--examples", 1, "--engine", "rtl"]
    status, out, err = panther(*arguments)
    if more:
        assert status == 1
        assert re.fullmatch(r"FAIL tile 0: core0\.m0\.pulses \d+, not \d+\n", err)
    else:
        assert (status, err) == (0, "")
        assert re.search(
            r"^all \d+ counters of RTL equal the twin's after [\d,]+ cycles$", out, re.M
        )


def test_sources_need_no_model(panther):
    status, out, err = panther("cost", "--sources", "--prices", "parts")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert "source of range" in lines[0]
    assert "assumption" in lines[1]
    assert any(line.startswith("crossbar.mvm_step") for line in lines)


def test_own_prices(panther, models, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\ntitle: mine\nextends: panther\ncomponents:\n  alu:\n    actions:\n"
        "      mul: {energy_pj: 1000, latency_ns: 1, source: measured}\n"
    )
    totals = []
    for prices in ("panther", file):
        out_file = tmp_path / "out.json"
        status, _, err = panther(
            "cost", f"{models}:one", *SMALL, "--examples", 1, "--prices", prices, "--json", out_file
        )
        assert (status, err) == (0, "")
        totals.append(json.loads(out_file.read_text())["per_example"]["energy_j"]["value"])
    # four products: two of the loss, two by the learning rate
    assert totals[1] - totals[0] == pytest.approx(4 * (1000 - 0.565333) * 1e-12)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "A model must be given, or --sources"),
        (["mlp", "--prices", "gold"], "Price set must be one of "),
        (["mlp", "--against", "digital,gold"], "Price set must be one of "),
        (["mlp", "--engine", "golden"], "Engine must be one of transaction, rtl, not 'golden'"),
        (["mlp", "--timing", "mine"], "Timing must be one of auto, ours, source, not 'mine'"),
        (["mlp", "--timing", "ours", "--prices", "digital"],
         "Timing must be source with prices digital: it is another machine"),
        (["mlp", "--engine", "rtl", "--timing", "source"], "Timing must be ours with engine rtl"),
        (["mlp", "--against", "digital,digital"],
         "Price sets to compare with must be different ones, not digital twice"),
        (["mlp", "--json", "same", "--html", "./same"],
         "Files must be different ones, not same twice"),
        (["mlp", "--set", "headroom=16", "--against", "digital"],
         "Cycles of OPA must be left to the RTL with headroom groups"),
        (["mlp", "--set", "cycles.mvm=100", "--timing", "source"],
         "Cycles must be given by --set or come with the prices, not both"),
        (["mlpp"], "mlpp"),
        (["mlp", "--crs-period", "often"], "CRS period must be an integer or none, not 'often'"),
        (["mlp", "--memory", "sram"], "Memory must be one of node, paper, not 'sram'"),
        (["mlp", "--json", "no/such/folder/x"], "must be in an existing directory"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(rejected, arguments, text):
    assert text in rejected("cost", *arguments)


def test_rtl_with_other_cycles_is_refused_before_anything_runs(rejected, models, monkeypatch):
    monkeypatch.setattr("panther.cli.simulation.check_simulator", lambda name: None)
    arguments = ["cost", f"{models}:one", *SMALL, "--set", "cycles.mvm=100", "--engine", "rtl"]
    assert "Cycles of operations must be those of the RTL where there is RTL" in rejected(
        *arguments
    )


def test_cycles_that_are_given_are_not_ours(panther, models):
    status, out, err = panther(
        "cost", f"{models}:one", *SMALL, "--set", "cycles.mvm=3000", "--examples", 1
    )
    assert (status, err) == (0, "")
    assert "; cycles given;" in out


def test_sets_that_extend_another_machine_are_that_machine(panther, models, tmp_path):
    """By any name; two of one name have runs of their own, and go by their files' names."""
    mine, quick, file = (tmp_path / name for name in ("mine.yaml", "quick.yaml", "out.json"))
    mine.write_text("name: mine\ntitle: mine\nextends: digital\n")
    quick.write_text("extends: digital\ncycles: {mvm: 1000, mtvm: 1000}\n")
    status, out, err = panther(
        "cost", f"{models}:one", *SMALL, "--examples", 1, "--json", file,
        "--against", f"digital,{mine},{quick}",
    )  # fmt: skip
    assert (status, err) == (0, "")
    remark = f"note: Cycles that come with digital, mine, {quick} are of crossbars of 128 x 128"
    assert remark in out
    found = json.loads(file.read_text())["against"]
    assert [one["prices"] for one in found] == ["digital", "mine", str(quick)]
    cycles = [one["cycles"] for one in found]
    # of the one MVM there is
    assert cycles[1:] == [cycles[0], cycles[0] - 15146]


def test_memory_priced_as_the_papers_is_not_that_of_the_trace(
    panther, models, tmp_path, monkeypatch
):
    """A network needs what it needs, here more than what is priced."""
    monkeypatch.setattr("panther.cost.case.PAPER_MEMORY_WORDS", 64)
    files = [tmp_path / name for name in ("cost.html", "trace.json")]
    status, out, err = panther(
        "cost", f"{models}:two", *SMALL, "--examples", 1, "--memory", "paper", "--html", files[0],
        "--trace", files[1],
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert "note: Tiles' memories are priced as 64 KiB" in out
    assert all(file.exists() for file in files)


def test_what_has_no_trace_has_all_else(panther, models, tmp_path, monkeypatch):
    monkeypatch.setattr("panther.cost.timeline.MOST_INSTRUCTIONS", 5)
    files = [tmp_path / name for name in ("cost.json", "trace.json")]
    status, out, err = panther(
        "cost", f"{models}:one", *SMALL, "--examples", 1, "--json", files[0], "--trace", files[1]
    )
    assert status == 2
    assert "Trace must be of a batch of at most 5 instructions" in err
    assert out.endswith(f"{files[0]}\n")
    assert json.loads(files[0].read_text())["network"] == "one"
    assert sorted(tmp_path.iterdir()) == files[:1]


def test_too_many_examples_are_refused(panther, models):
    status, _, err = panther("cost", f"{models}:one", *SMALL, "--examples", 1 << 20)
    assert status == 2
    assert "Examples must be whole batches of 1, at most the " in err
