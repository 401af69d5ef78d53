"""Compiled programs against golden, at every level."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from panther.arch.core import CoreParams
from panther.arch.isa import decode
from panther.arch.network import MODES, TrainPlan
from panther.arch.node import NodeParams
from panther.arch.tile import TileParams
from panther.cli import main
from panther.compiler import loops, models
from panther.compiler.allocation import allocate
from panther.compiler.canonicalise import canonicalise
from panther.compiler.communication import communicate
from panther.compiler.compile import PASSES, compile_network
from panther.compiler.placement import DoesNotFitError
from panther.compiler.prove import prove

ROOT = Path(__file__).parents[3]
_spec = spec_from_file_location("campaign", Path(__file__).with_name("campaign.py"))
campaign = module_from_spec(_spec)
_spec.loader.exec_module(campaign)


@pytest.mark.parametrize("variant", MODES)
@pytest.mark.parametrize("seed", range(4))
def test_random_networks_equal_golden_at_transaction_level(seed, variant):
    case = campaign.Case(seed, variant)
    first, expected = case.golden()
    assert campaign.differences(case.transaction(first), expected) == {}


@pytest.mark.parametrize("variant", MODES)
@pytest.mark.parametrize("seed", range(100, 102))
def test_random_loop_programs_equal_golden(seed, variant):
    case = campaign.Case(seed, variant)
    first, expected = case.golden()
    assert campaign.differences(case.interpreted(first), expected) == {}


@pytest.mark.parametrize("variant", MODES)
def test_loop_programs_are_read_back_from_their_text(variant):
    program = campaign.Case(3, variant).compiled.loops
    assert (" HISTORY\n" in str(program)) == (variant == "V2")
    assert loops.parse(str(program)) == program


def test_batches_must_be_whole_with_momentum():
    case = campaign.Case(3, "V2")
    transport = campaign.TransactionTransport(campaign.Node(case.node))
    machine = campaign.Machine(campaign.Host(transport), case.compiled)
    with pytest.raises(ValueError, match="Batch must be 2 with momentum, not 1"):
        campaign.now(machine.run(case.x[:1], case.labels[:1], batch=1))


def test_a_wrong_loop_program_is_refused_with_its_line():
    with pytest.raises(ValueError, match=r"line 3: .*0\.0 ld"):
        loops.parse("batch\n  loop y 8\n    0.0 ld m0.mvm_in, t.x[4y+z+4], 3\n")


def node(tiles, **core):
    return NodeParams(
        tile=TileParams(core=CoreParams(instructions=4096, **core), instructions=4096),
        width=tiles, height=1,
    )  # fmt: skip


def test_what_is_too_large_says_how_many_tiles_it_needs():
    network, _ = canonicalise(models.mlp_l4())
    with pytest.raises(DoesNotFitError, match=r"16 crossbars .* not 44: it needs 3 tiles"):
        compile_network(network, TrainPlan(), node(1))


def test_what_needs_more_memory_says_where():
    network, _ = canonicalise(models.cnn())
    with pytest.raises(DoesNotFitError, match=r"Tile 0 must get by with its 2048 words"):
        compile_network(network, TrainPlan(), node(1, memory_words=2048))


def test_the_papers_mlp_takes_three_tiles_and_equals_golden():
    network, weights = canonicalise(models.mlp_l4())
    params = NodeParams(width=3, height=1)
    compiled = compile_network(network, TrainPlan(), params)
    operations = [
        str(s.operands[0]).partition(":")[2]
        for _, s in loops.walk(compiled.loops.body)
        if isinstance(s, loops.Op) and s.name == "mcu"
    ]
    counts = {name: operations.count(name) for name in ("mvm", "mtvm", "opa")}
    assert counts == {"mvm": 44, "mtvm": 28, "opa": 44}
    trainer = campaign.NetworkTrainer(network, weights, TrainPlan())
    transport = campaign.TransactionTransport(campaign.Node(params))
    machine = campaign.Machine(campaign.Host(transport), compiled)
    campaign.now(machine.load_cells({n: m.cells for n, m in trainer.matrices.items()}))
    x, labels = np.random.default_rng(1).integers(0, 1024, (1, 1024)), np.array([3])
    trainer.batch(x, labels)
    campaign.now(machine.run(x, labels, batch=1))
    expected = {n: m.cells for n, m in trainer.written.items()}
    assert campaign.differences(campaign.now(machine.read_cells()), expected) == {}
    assert transport.node.clock < 20_000


def test_code_grows_neither_with_images_nor_with_batches():
    sizes = set()
    # of images so large that no address within them is reached without a pointer
    for pixels, batch in ((24, 2), (32, 2), (32, 8)):
        model = campaign_model(pixels)
        network, _ = canonicalise(model)
        plan = TrainPlan(variant="V2", batch=batch)
        compiled = compile_network(network, plan, node(1, memory_words=1 << 21))
        sizes.add(sum(len(p.words) for p in compiled.programs(1, 3, batch).values()))
    assert len(sizes) == 1


def campaign_model(pixels):
    model = models.Model((1, pixels, pixels), name="square")
    x = model.input.conv2d(4, 3, padding=1).relu().conv2d(8, 3, padding=1).relu()
    x.global_avg_pool().flatten().linear(10).softmax_cross_entropy()
    return model.graph()


@pytest.mark.parametrize("variant", MODES)
def test_every_instruction_says_what_it_is_for(variant):
    compiled = campaign.Case(3, variant).compiled
    names = {"", *(node.name for node in compiled.network.nodes)}
    found = set()
    for unit, program in compiled.programs(1, 1, compiled.plan.batch).items():
        origins = compiled.origin(unit)
        assert len(origins) == len(program.words)
        for word, origin in zip(program.words, origins, strict=True):
            instruction, values = decode(word)
            assert origin.layer in names
            assert origin.phase in loops.PHASES
            assert (origin.layer == "") == (origin.phase == "control")
            if instruction.mnemonic in ("send", "recv") or values.get("take"):
                assert origin.phase == "communication"
            if instruction.mnemonic in ("mcu", "crs", "mcfg"):
                phases = {"crs": {"resolve"}, "mcfg": {"set-up"}}
                known = {"forward", "backward", "update"}
                assert origin.phase in phases.get(instruction.mnemonic, known)
            found.add(origin.phase)
    assert found >= {"control", "set-up", "forward", "loss", "backward", "update", "resolve"}


def test_bytes_do_not_depend_on_hash_seeds():
    code = (
        "import hashlib, sys\n"
        "from panther.arch.network import TrainPlan\n"
        "from panther.arch.node import NodeParams\n"
        "from panther.compiler import models\n"
        "from panther.compiler.canonicalise import canonicalise\n"
        "from panther.compiler.compile import PASSES, compile_network\n"
        "network, _ = canonicalise(models.resnet())\n"
        "plan = TrainPlan(variant='V2', batch=2)\n"
        "made = compile_network(network, plan, NodeParams(width=3, height=2))\n"
        "words = [(u, p.words) for u, p in sorted(made.programs(1, 2, 2).items())]\n"
        "print(hashlib.sha256((repr(words) + str(made.loops)).encode()).hexdigest())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1


def test_other_bytes_come_of_another_plan():
    network, _ = canonicalise(models.mlp())
    texts = [
        compile_network(network, replace(TrainPlan(), crs_period=period), node(1)).texts
        for period in (8, 9)
    ]
    assert texts[0] != texts[1]


@pytest.mark.parametrize("variant", MODES)
@pytest.mark.parametrize("seed", range(2))
def test_programs_are_proven_free_of_deadlock_and_races(seed, variant):
    report = prove(campaign.Case(seed, variant).compiled)
    assert report.problems == ()


def planted(old, new):
    """A network over several cores, one line of a core's program changed."""
    network, _ = canonicalise(models.cnn())
    compiled = compile_network(network, TrainPlan(), node(1))
    text = compiled.texts[0, 1]
    assert old in text
    return prove(replace(compiled, texts={**compiled.texts, (0, 1): text.replace(old, new, 1)}))


def test_a_planted_deadlock_is_found():
    # core 1 does not take what core 0 has stored for it
    report = planted(", take", "")
    assert report.problems
    assert {problem.kind for problem in report.problems} <= {"deadlock", "race"}
    assert any(problem.kind == "deadlock" for problem in report.problems)
    assert "tile 0 core" in report.problems[0].text


def test_a_planted_race_is_found():
    # core 1 writes where core 0 has a map of its own
    network, _ = canonicalise(models.cnn())
    compiled = compile_network(network, TrainPlan(), node(1))
    place = compiled.layout.buffers[(0, 0), "t.relu_0"].offset
    text = compiled.texts[0, 1]
    line = f"        sset s8, {place}\n        st r0, s8, 0, 4, plain\n        hlt"
    changed = replace(
        compiled, texts={**compiled.texts, (0, 1): text.replace("        hlt", line)}
    )  # fmt: skip
    report = prove(changed)
    assert any(problem.kind == "race" for problem in report.problems)


def test_compile_says_what_it_has_proven(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compile", "mlp", "--variant", "V2", "--batch", "2", "--explain"])
    assert not stop.value.code
    printed = capsys.readouterr().out
    assert "neither deadlock nor race in" in printed
    for part in ("placement", "memory map", "stalls"):
        assert part in printed


@pytest.mark.parametrize("name", PASSES)
def test_every_pass_can_be_dumped(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compile", "mlp", "--dump-after", name])
    assert not stop.value.code
    assert len(capsys.readouterr().out) > 50


def test_an_unknown_pass_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compile", "mlp", "--dump-after", "magic"])
    assert stop.value.code == 2
    assert "Pass must be one of autodiff, tiling" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("0.0 st a, t.x[0], 4", "a must have been written before"),
        ("0.0 ld a, t.x[5], 4", "words must be within the 8 of the buffer"),
        ("0.0 ld2 a, t.x[0], 2, 3, 4", "words must be within the 8 of the buffer"),
        ("0.0 ld a, t.x[4y], 4", "y must be the variable of a loop around it"),
        ("0.0 ld a, t.y[0], 4", "t.y must be a buffer of its core"),
        ("0.1 ld a, t.x[0], 4", "t.x must be a buffer of its core"),
        ("loop y 3\n    0.0 ld a, t.x[4y], 4", "words must be within the 8 of the buffer"),
        ("deliver 0.0 a 4 -> 0.1 b", "a must have been written before"),
        ("deliver 0.0 m0.mvm_out 4 -> 0.0 b", "words must go to other cores"),
        ("every 0.0 m 4\n    0.1 crs m0", "its body must be operations of its core"),
    ],
)
def test_loop_programs_are_verified(statement, message):
    text = f"buffer 0.0 t.x static 8\nprologue\nbatch\n  {statement}\n"
    with pytest.raises(ValueError, match=message):
        loops.verify(loops.parse(text))


def test_a_right_loop_program_is_verified():
    body = (
        "loop y 2\n    0.0 ld a, t.x[4y], 4\n    deliver 0.0 a 4 -> 0.1 b\n    0.1 v.add b, b, b, 4"
    )
    loops.verify(loops.parse(f"buffer 0.0 t.x static 8\nprologue\nbatch\n  {body}\n"))


def test_buffers_one_nest_writes_do_not_share_words():
    """Not even one that nobody reads: the nest comes to both again, pixel after pixel."""
    core, words = (0, 0), loops.Register("words")
    stores = tuple(
        loops.Op(core, "st", (words, loops.Address(name, 0, (("y", 4),)), 4)) for name in "ab"
    )
    read = loops.Op(core, "ld", (words, loops.Address("b"), 4))
    buffers = tuple(loops.Buffer(core, name, "static", 16) for name in "ab")
    made = loops.Op(core, "vset", (words, 0, 4))
    program = loops.LoopProgram(buffers, (), (made, loops.Loop("y", 4, stores), read))
    loops.verify(program)
    layout = allocate(communicate(program, node(1)), node(1), 1, 0)
    assert abs(layout.buffers[core, "a"].offset - layout.buffers[core, "b"].offset) >= 16
