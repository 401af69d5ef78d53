"""What the checker says of random programs, against what the twin does at several speeds."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest

from cocotb_tests import schedules
from cocotb_tests.node_programs import broken_case, random_case
from models.system.node import Node
from panther.arch.core import LANES, CoreParams, Fault
from panther.arch.node import NodeParams
from panther.arch.params import McuParams
from panther.arch.presets import NODES
from panther.arch.tile import SEQUENCER, TileFault, TileParams
from panther.asm import assemble_text
from panther.check import check_node

CORES = 3
GROUPS = 3
NODE = NodeParams(
    tile=TileParams(
        core=CoreParams(
            mcu=McuParams(rows=4, columns=4), mcus=1, registers=256, memory_words=64,
            instructions=512,
        ),
        cores=CORES, fifos=1, fifo_rows=2,
    ),
    width=1, height=1,
)  # fmt: skip
SPEEDS = 3


class Author:
    """Writes programs by doing, one after the other, things that can be done.

    So they come to an end in one order at least; whether they do in every order is another matter.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lines: dict[int, list[str]] = {unit: [] for unit in (*range(CORES), SEQUENCER)}
        self.valid = [self.rng.random() < 0.2 for _ in range(GROUPS)]
        self.host = [g for g in range(GROUPS) if self.valid[g]]
        self.readers = [set() for _ in range(GROUPS)]
        self.queue = 0
        self.number = 0
        self.plain = self.rng.choice((0.0, 0.0, 0.05, 0.2))
        while self.number < self.rng.choice((6, 12, 30)):
            self.number += 1
            self.write()
        for _ in range(self.queue):
            free = [g for g in range(GROUPS) if not self.valid[g]]
            if free:
                self.lines[SEQUENCER].append(f"recv s0, {LANES * free[0]}, 4, 0, core0")
                self.valid[free[0]] = True
                self.queue -= 1

    def write(self) -> None:
        rng = self.rng
        core, group = rng.randrange(CORES), rng.randrange(GROUPS)
        address = LANES * group
        lines = self.lines[core]
        register = f"r{4 * len(lines) % 192}"
        takers = [r for r in self.readers[group] if r < CORES]
        draw = rng.random()
        if draw < self.plain:
            lane = rng.randrange(LANES)
            words = rng.randint(1, LANES - lane)
            lines += [
                f"vset r200, {self.number}, 4", f"st r200, s0, {address + lane}, {words}, plain"
            ]  # fmt: skip
            self.valid[group] = True
            self.readers[group].clear()
        elif draw < 1.4 * self.plain:
            lines.append(f"inv s0, {address}, 4")
            self.valid[group] = False
            self.readers[group].clear()
        elif draw < 0.25 and self.valid[group]:
            lane = rng.randrange(LANES)
            lines.append(f"ld {register}, s0, {address + lane}, {rng.randint(1, LANES - lane)}")
        elif draw < 0.35 and 8 in self.readers[group]:
            self.lines[SEQUENCER].append(f"send s0, {address}, 4, 0, 0")
            self.queue += 1
            self._taken(group, 8)
        elif draw < 0.45 and self.queue and not self.valid[group]:
            self.lines[SEQUENCER].append(f"recv s0, {address}, 4, 0, {self._readers(group)}")
            self.queue -= 1
        elif takers:
            taker = rng.choice(takers)
            lines = self.lines[taker]
            lines.append(f"ld r{4 * len(lines) % 192}, s0, {address}, 4, take")
            self._taken(group, taker)
        elif not self.valid[group]:
            lines += [
                f"vset r200, {self.number}, 4", f"st r200, s0, {address}, 4, {self._readers(group)}"
            ]  # fmt: skip

    def _readers(self, group: int) -> str:
        count = self.rng.choice((1, 1, 1, 2, 2, 3))
        readers = self.rng.sample([0, 1, 2, 8], count)
        self.valid[group] = True
        self.readers[group] = set(readers)
        return "|".join("send_unit" if n == 8 else f"core{n}" for n in readers)

    def _taken(self, group: int, reader: int) -> None:
        self.readers[group].discard(reader)
        self.valid[group] = bool(self.readers[group])

    def programs(self, speed: int | None = None) -> dict[tuple[int, int], tuple[int, ...]]:
        """The words; with a speed, units dawdle at random before their instructions."""
        rng = random.Random(f"{self.rng.getstate()[1][:4]} {speed}")
        found = {}
        for unit, lines in self.lines.items():
            slow = rng.choice((1, 10, 60))
            text = ["csr watchdog, 30000"]
            for n, line in enumerate(lines):
                if speed is not None and rng.random() < 0.5:
                    text.append(f"loop {rng.randint(1, slow)}, l{n}\nnop\nl{n}:")
                text.append(line)
            name = f"tile0.{unit}.pasm"
            program = assemble_text("\n".join([*text, "hlt"]), NODE.tile.core, name=name)
            found[0, unit] = program.words
        return found


def outcome(author: Author, speed: int) -> tuple[bool, bytes]:
    """Whether all halt, and all words they leave behind."""
    rng = random.Random(speed)
    core = replace(NODE.tile.core, memory_cycles=rng.randint(1, 6))
    node = Node(replace(NODE, tile=replace(NODE.tile, core=core)))
    for group in author.host:
        node.load_memory(0, LANES * group, np.arange(LANES, dtype=np.int16) - 100)
    programs = author.programs(speed)
    for (tile, unit), words in programs.items():
        node.load(tile, unit, words)
    node.start(dict.fromkeys(programs, 0))
    assert node.run()
    halted = all(node.status(*unit).fault in (Fault.NONE, TileFault.NONE) for unit in programs)
    memory = node.memory(0)
    words = [memory.groups, memory.valid, memory.readers]
    words += [core.registers for core in node.cores]
    return halted, b"".join(np.ascontiguousarray(part).tobytes() for part in words)


def check(author: Author) -> set[str]:
    """Kinds of problems."""
    written = {0: [range(LANES * g, LANES * g + LANES) for g in author.host]}
    report = check_node(NODE, author.programs(), written=written)
    return {problem.kind for problem in report.problems}


def test_accepted_programs_end_alike_at_every_speed():
    accepted, differ = 0, 0
    for seed in range(110):
        author = Author(seed)
        kinds = check(author)
        outcomes = {outcome(author, speed) for speed in range(SPEEDS)}
        if not kinds:
            accepted += 1
            assert len(outcomes) == 1, f"seed {seed}"
            assert next(iter(outcomes))[0], f"seed {seed}"
        elif len(outcomes) > 1:
            differ += 1
            assert "race" in kinds, f"seed {seed}"
    assert accepted > 40
    assert differ > 15


def test_valid_programs_of_nodes_are_accepted():
    params = NODES["SMALL"]
    for seed in range(12):
        report = check_node(params, random_case("SMALL", seed, params).assembled(params))
        assert report.ok, f"seed {seed}: {report.problems[0]}"


def test_deadlocks_hang():
    """What is reported as nothing but a deadlock hangs at every speed."""
    params = NODES["SMALL"]
    found = 0
    for seed in range(14):
        case = broken_case("SMALL", seed, params)
        texts = case.programs.items()
        patient = {unit: re.sub("(watchdog, ).*", r"\g<1>60000", text) for unit, text in texts}
        case = replace(case, programs=patient)
        programs = case.assembled(params)
        report = check_node(params, programs)
        if {problem.kind for problem in report.problems} != {"deadlock"}:
            continue
        found += 1
        node = case.twin(params, trace=False)
        node.start(dict.fromkeys(programs, 0))
        assert node.run()
        stuck = {unit for unit in programs if node.status(*unit).fault}
        assert {problem.unit for problem in report.problems} == stuck, f"seed {seed}"
    assert found > 3


@pytest.mark.parametrize("schedule", range(3))
def test_three_cores_that_hand_over_blocks(schedule):
    for synchronised in (True, False):
        texts = schedules.texts(schedule, synchronised=synchronised)
        programs = {
            (0, core): assemble_text(text, NODES["PAPER"].tile.core).words
            for core, text in enumerate(texts)
        }
        written = {0: [range(2 * schedules.WORKED)]} if not synchronised else {}
        report = check_node(NODES["PAPER"], programs, written=written)
        kinds = {problem.kind for problem in report.problems}
        assert kinds == (set() if synchronised else {"race"})
