"""Performance counters of all that units do: RTL counts what the twin does, on random programs."""

import json

import pytest

from cocotb_tests.conftest import seed
from cocotb_tests.designs import NODES, node_lockstep_bench
from cocotb_tests.node_programs import NodeCase
from cocotb_tests.random_programs import generate
from panther.arch.isa import CORE_INSTRUCTIONS, decode
from panther.arch.mcu import ConfigKey
from panther.arch.node import NodeParams
from panther.arch.tile import CORE_COUNTERS, MCU_COUNTERS, SEQUENCER

PROGRAMS = {
    "verilator": ("arithmetic", "memory", "matrix", "matrix"),
    "icarus": ("arithmetic", "matrix"),
}
"""Generators of what runs on each simulator."""
EVERY = 20
"""Words from one start in the middle of a program to the next."""


_NOP = CORE_INSTRUCTIONS["nop"].encode()


def is_eager(word: int) -> bool:
    """Whether an instruction says which copies a matrix unit reads."""
    found = decode(word)
    return found is not None and found[1].get("key") == ConfigKey.EAGER


def case_of(node: str, params: NodeParams, generator: str, number: int) -> NodeCase:
    """A random program of a core alone, on core 0; it stops at the first fault, and is started
    again in many places.
    """
    case = generate(generator, number, node, params.tile.core, size=80)
    # devices have no read copies
    words = [_NOP if is_eager(word) else word for word in case.words]
    places = range(case.body, len(case.words), EVERY)
    stored = tuple((g, who, 40 * g) for g, who in enumerate(case.readers) if case.valid[g])
    return NodeCase(
        node=node,
        programs={
            (0, 0): "\n".join(f".word {word:#x}" for word in words),
            (0, SEQUENCER): "loop 5, end\nsadd s1, s1, 4\nend: hlt",
        },
        starts=((0, {(0, 0): 0, (0, SEQUENCER): 0}), *((0, {(0, 0): pc}) for pc in places)),
        stored={0: stored},
        seed=number,
    )


@pytest.mark.parametrize(
    ("node", "simulator"),
    [
        ("COUNTED", "verilator"),
        ("COUNTED_DEVICE", "verilator"),
        ("COUNTED_PLAIN", "icarus"),
        ("COUNTED_PLAIN_DEVICE", "icarus"),
    ],
)
def test_counters_agree(simulate, node, simulator):
    params, first = NODES[node], 1000 * seed()
    cases = [
        case_of(node, params, generator, first + n)
        for n, generator in enumerate(PROGRAMS[simulator])
    ]
    task = {"node": node, "cases": [case.to_json() for case in cases]}
    result = simulate(
        node_lockstep_bench(params), "node_lockstep_tb", simulator, expected=1,
        variables={"PANTHER_NODE": json.dumps(task)},
    )  # fmt: skip
    counted = json.loads((result.path / "node.json").read_text())["counted"]
    names = ["instructions", *(f"core.{name}" for name in CORE_COUNTERS)]
    names += [f"core.m.{name}" for name in MCU_COUNTERS]
    assert [name for name in names if not counted[name]] == []
