import json

import pytest

from cocotb_tests.conftest import seed
from cocotb_tests.designs import (
    NODES,
    core_lockstep_bench,
    node_lockstep_bench,
    tile_lockstep_bench,
)
from cocotb_tests.node_programs import (
    NodeCase,
    message_case,
    message_cycles,
    random_case,
)
from cocotb_tests.schedules import CORES, expected, outcome, texts
from panther.arch.node import NodeParams
from panther.arch.tile import SEQUENCER

PAIR = "LOCKSTEP_PAIR"
SCHEDULES = 10
AT_ONCE = 5
"""Schedules in one simulation: their texts are an environment variable."""
WORDS = 23 * 16
_TO_SEND = tuple((group, 1 << 8, group) for group in range(WORDS // 4))

_SWAP = {
    (0, 0): "loop 4, end\nst r0, s0, 0, 40, send_unit\nld r64, s0, 64, 40, take\nend: hlt",
    (0, SEQUENCER): "loop 4, end\nsend s0, 0, 40, 1, 0\nrecv s0, 64, 40, 1, core0\nend: hlt",
    (1, SEQUENCER): "loop 4, end\nrecv s0, 0, 40, 0, core1\nsend s0, 64, 40, 0, 1\nend: hlt",
    (1, 1): "loop 4, end\nld r0, s0, 0, 40, take\nvi.add r0, r0, 1, 40\n"
    "st r0, s0, 64, 40, send_unit\nend: hlt",
}  # fmt: skip
_BANK = "loop 5, end\nld2 r0, s0, 0, 4, 16, 16\nst r0, s0, {}, 32, plain\nend: hlt"

# name: what runs, and of what stops its cause, address, what it waited for and its group
CASES: dict[str, tuple[NodeCase, dict[str, list[object]]]] = {
    "messages both ways": (NodeCase(node=PAIR, programs=_SWAP), {}),
    "all cores at one bank": (
        NodeCase(
            node=PAIR,
            programs={(t, c): _BANK.format(256 + 32 * c) for t in (0, 1) for c in (0, 1)},
            stored={tile: tuple((4 * n, 0, n) for n in range(16)) for tile in (0, 1)},
        ),
        {},
    ),
    "nobody receives": (
        NodeCase(
            node=PAIR,
            programs={
                **{unit: text for unit, text in _SWAP.items() if unit[1] != SEQUENCER},
                (0, SEQUENCER): f"csr watchdog, 200\nsend s0, 128, {WORDS}, 1, 0\nhlt",
                (0, 0): "loop 50, end\nvi.add r0, r0, 1, 99\nend: hlt",
                (1, 1): "loop 50, end\nvi.add r0, r0, 1, 99\nend: hlt",
            },
            stored={0: tuple((32 + group, who, n) for group, who, n in _TO_SEND)},
        ),
        {"0.sequencer": ["WATCHDOG", 1, "UNIT", 0]},
    ),
    "nobody sends": (
        NodeCase(
            node=PAIR,
            programs={(1, SEQUENCER): "csr watchdog, 90\nsset s1, 4\nrecv s1, 0, 20, 0\nhlt"},
        ),
        {"1.sequencer": ["WATCHDOG", 2, "UNIT", 0]},
    ),
    "no such tile": (
        NodeCase(node=PAIR, programs={**_SWAP, (0, SEQUENCER): "nop\nsend s0, 0, 40, 2, 0\nhlt",
                 (0, 0): "csr watchdog, 99\n" + _SWAP[0, 0], (1, 1): "csr watchdog, 77\nnop\n"
                 + _SWAP[1, 1], (1, SEQUENCER): "csr watchdog, 55\n" + _SWAP[1, SEQUENCER]}),
        {
            "0.sequencer": ["DESTINATION", 1, "NOTHING", 0],
            "0.core0": ["WATCHDOG", 3, "LOAD", 16],
            "1.core1": ["WATCHDOG", 3, "LOAD", 0],
            "1.sequencer": ["WATCHDOG", 2, "UNIT", 0],
        },
    ),
    "two senders to one queue": (
        NodeCase(
            node=PAIR,
            programs={
                (0, SEQUENCER): "send s0, 0, 16, 1, 0\nhlt",
                (1, SEQUENCER): "loop 30, end\nnop\nend: send s0, 0, 16, 1, 0\nnop\nhlt",
            },
            stored={tile: _TO_SEND for tile in (0, 1)},
        ),
        {"1.sequencer": ["SENDER", 4, "NOTHING", 0]},
    ),
    "message too long": (
        NodeCase(
            node=PAIR,
            programs={
                (0, SEQUENCER): "send s0, 0, 40, 1, 0\nhlt",
                (1, SEQUENCER): "recv s0, 0, 20, 0, core0\nhlt",
            },
            stored={0: _TO_SEND},
        ),
        {"1.sequencer": ["MESSAGE", 0, "UNIT", 0]},
    ),
    "a core stops, the others go on": (
        NodeCase(
            node=PAIR,
            programs={
                **_SWAP,
                (0, 1): "csr watchdog, 60\nld r0, s0, 8, 4, take\nhlt",
                (1, 0): "nop\nv.mov r0, r1, 4\nhlt",
            },
        ),
        {"0.core1": ["WATCHDOG", 1, "LOAD", 2]},
    ),
    "several starts": (
        NodeCase(
            node=PAIR,
            programs={
                **_SWAP,
                (0, 1): "hlt\nnop\nloop 20, end\nnop\nend: csrr s1, cycle\nhlt",
                (1, 0): "vset r0, 5, 100\nmcu m0:mvm\nhlt",
            },
            starts=(
                (0, {**dict.fromkeys(_SWAP, 0), (0, 1): 2}),
                (40, {(1, 0): 0}),
                (0, {(0, 1): 1, (1, 0): 1}),
                (25, {(0, 1): 0, (1, 0): 0}),
                (30, dict.fromkeys(_SWAP, 0)),
            ),
        ),
        {},
    ),
}  # fmt: skip


def _run(simulate, testbench, task, simulator, design, *, brief=True):  # type: ignore[no-untyped-def]
    variables = {"PANTHER_NODE": json.dumps(task)}
    result = simulate(design, testbench, simulator, expected=1, variables=variables, brief=brief)
    report = result.path / "node.json"
    return json.loads(report.read_text()) if report.exists() else None


def test_programs_agree(simulate):
    task = {"node": PAIR, "cases": [case.to_json() for case, _ in CASES.values()]}
    design = node_lockstep_bench(NODES[PAIR])
    found = _run(simulate, "node_lockstep_tb", task, "verilator", design)
    wanted = {name: stops for name, (_, stops) in CASES.items()}
    assert dict(zip(CASES, found["stops"], strict=True)) == wanted


# nodes, random programs of which everything arrives, and those that stop somewhere; ``make nodes``
# runs more of them
RANDOM = [(PAIR, 12, 8), ("LOCKSTEP_SQUARE", 8, 6)]


@pytest.mark.parametrize(("node", "valid", "broken"), RANDOM, ids=[name for name, *_ in RANDOM])
def test_random_programs_agree(simulate, node, valid, broken):
    first = 1000 * seed()
    task = {"node": node, "random": [first + n for n in range(valid)],
            "broken": [first + n for n in range(broken)]}  # fmt: skip
    design = node_lockstep_bench(NODES[node])
    found = _run(simulate, "node_lockstep_tb", task, "verilator", design)
    assert found["programs"] == valid + broken
    assert not any(found["stops"][:valid]), "every message arrives"
    assert found["faults"].get("WATCHDOG", 0) > 0


def test_schedules_agree(simulate):
    name = "LOCKSTEP_SQUARE"
    cases = [
        NodeCase(node=name, programs={(0, core): text for core, text in enumerate(texts(schedule))})
        for schedule in range(SCHEDULES)
    ]
    design = node_lockstep_bench(NODES[name])
    for first in range(0, SCHEDULES, AT_ONCE):
        task = {"node": name, "cases": [c.to_json() for c in cases[first : first + AT_ONCE]]}
        found = _run(simulate, "node_lockstep_tb", task, "verilator", design)
        assert found["programs"] == AT_ONCE
    # the twin, which RTL has not differed from, has read what it should
    right = b"".join(expected(core).tobytes() for core in range(CORES))
    assert {outcome(NODES[name], schedule) for schedule in range(SCHEDULES)} == {right}


def test_random_programs_agree_on_icarus(simulate):
    first = 1000 * seed()
    task = {"node": "LOCKSTEP_ALONE", "random": [first, first + 1], "broken": [first + 2]}
    design = node_lockstep_bench(NODES["LOCKSTEP_ALONE"])
    _run(simulate, "node_lockstep_tb", task, "icarus", design)


def test_false_reports_are_divergences(simulate):
    programs = {**_SWAP, (1, 1): f"sset s5, 9\n{_SWAP[1, 1]}"}
    task = {"node": PAIR, "case": NodeCase(node=PAIR, programs=programs).to_json()}
    _run(simulate, "node_false_tb", task, "verilator", node_lockstep_bench(NODES[PAIR]))


def test_network_survives_resets(simulate):
    design = node_lockstep_bench(NODES["LOCKSTEP_ROW"])
    # long enough to be compiled well
    _run(simulate, "node_reset_tb", {}, "verilator", design, brief=False)


ROWS = [*range(1, 10), 15, 16, 17, 24, 31, 32, 33, 39, 40]


def bound(rows: int, hops: int) -> int:
    """Cycles a message may take; to its own tile both of its ends share the memory's banks."""
    return rows + 4 * hops + 8 if hops else 2 * rows + 8


def test_messages_in_time(simulate):
    name = "LOCKSTEP_ROW"
    task = {"node": name, "rows": ROWS}
    design = node_lockstep_bench(NODES[name])
    found = _run(simulate, "node_latency_tb", task, "verilator", design, brief=False)
    assert len(found) == len(ROWS) * 4
    for key, cycles in found.items():
        rows, hops = map(int, key.split())
        assert cycles <= bound(rows, hops), f"{rows} rows, {hops} hops: {cycles} cycles"


def test_messages_in_time_at_transaction_level():
    row = NODES["LOCKSTEP_ROW"]
    params = NodeParams(width=4, height=4, tile=row.tile)
    for tile in range(params.tiles):
        for rows in ROWS:
            twin = message_case("4x4", params, rows, tile).twin(params)
            twin.start({(tile, SEQUENCER): 0, (0, SEQUENCER): 0})
            assert twin.run(limit_cycles=10_000)
            cycles = message_cycles(twin.status(tile, SEQUENCER))
            assert cycles <= bound(rows, params.hops(0, tile)), (tile, rows, cycles)


# what is in RTL
MIXED = [{"tile": 0}, {"tile": 1}, {"core": [0, 1]}, {"core": [1, 0]}]


@pytest.mark.parametrize("rtl", MIXED, ids=["tile0", "tile1", "core0.1", "core1.0"])
def test_one_among_twins(simulate, rtl):
    params = NODES[PAIR]
    case = random_case(PAIR, 1000 * seed(), params, transfers=30)
    design = tile_lockstep_bench(params) if "tile" in rtl else core_lockstep_bench(params.tile.core)
    task = {"node": PAIR, "case": case.to_json(), **rtl}
    _run(simulate, "node_mixed_tb", task, "verilator", design)
    if rtl == MIXED[0]:
        # the same in RTL alone
        task = {"node": PAIR, "cases": [case.to_json()]}
        _run(simulate, "node_lockstep_tb", task, "verilator", node_lockstep_bench(params))
