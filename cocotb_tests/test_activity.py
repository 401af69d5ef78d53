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

PROGRAMS = ("arithmetic", "memory", "matrix")
"""Generators of what runs beside :data:`EVERYTHING`."""
EVERY = 30
"""Words from one start in the middle of a program to the next."""


EVERYTHING = """
        csr     watchdog, 3000
        sset    s7, -3
        mcfg    m0, columns, 5
        mcfg    m0, rows, 3
        vset    m0.opa_rows, 7, 4
        vset    m0.opa_columns, -3, 4
        vset    m1.mtvm_in, 9, 5
        loop    2, end
        crs     m0
        mcu     m0:mvm+opa, m1:mtvm+opa
end:    v.mul   r0, r16, m1.mtvm_out, 5, 3
        vs.div  r0, r0, s7, 9, 2
        vi.tanh r0, r0, 6, 4
        v.add   r20, r1, r0, 13
        vr.sum  s1, r0, 7
        st      r0, s0, 8, 11, plain
        ld2     r0, s0, 0, 5, 3, 4
        csr     watchdog, 50
        ld      r0, s0, 0, 4, take      ; nobody gives it
        hlt
"""
"""Something of all that is counted."""
SEQUENCED = "loop 5, end\nsadd s1, s1, 4\nend: hlt"
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
            (0, SEQUENCER): SEQUENCED,
        },
        starts=((0, {(0, 0): 0, (0, SEQUENCER): 0}), *((0, {(0, 0): pc}) for pc in places)),
        stored={0: stored},
        seed=number,
    )


@pytest.mark.parametrize(
    ("node", "simulator"),
    [("COUNTED", "verilator"), ("COUNTED_DEVICE", "verilator"), ("COUNTED_PLAIN", "icarus")],
)
def test_counters_agree(simulate, node, simulator):
    params, first = NODES[node], 1000 * seed()
    programs = {(0, 0): EVERYTHING, (0, SEQUENCER): SEQUENCED}
    stored = {0: tuple((group, 0, 5 * group) for group in range(8))}
    cases = [NodeCase(node=node, programs=programs, stored=stored)]
    cases += [case_of(node, params, generator, first + n) for n, generator in enumerate(PROGRAMS)]
    task = {"node": node, "cases": [case.to_json() for case in cases]}
    result = simulate(
        node_lockstep_bench(params), "node_lockstep_tb", simulator, expected=1,
        variables={"PANTHER_NODE": json.dumps(task)},
    )  # fmt: skip
    counted = json.loads((result.path / "node.json").read_text())["counted"]
    names = ["instructions", *(f"core.{name}" for name in CORE_COUNTERS)]
    names += [f"core.m.{name}" for name in MCU_COUNTERS]
    assert [name for name in names if not counted.get(name)] == []
