"""Speed of a node: its RTL beside its transaction-level twin, and what more tiles cost.

In every tile two cores with two 128 x 128 matrix units each do products, outer products, carry
resolutions and vectors, hand words to each other through the memory and to the next tile over the
network. RTL and twin run the same programs in the same cycles. ``python -m benchmarks.node`` prints
the best of rounds, in CPU time.
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from cocotb_tests.designs import node_lockstep_bench
from cocotb_tests.node_load import NODE, PASSES, RESULT, load_case
from panther import sim

RATIO = 50.0
"""How much faster than its RTL the twin must be."""
MESHES = ((1, 1), (2, 1), (2, 2), (4, 2), (4, 4))
SPREAD = 1.5
"""By how much a core's cycle may cost more in the greatest node than in the cheapest."""
RTL_PASSES = 4


def twin_seconds(width: int, height: int, passes: int) -> tuple[int, float]:
    """Cycles, and CPU seconds, of the load on the twin."""
    params = replace(NODE, width=width, height=height)
    case = load_case(params, passes)
    node = case.twin(params, trace=False)
    node.start(case.all_starts()[0][1])
    begin = time.process_time()
    if not node.run():
        raise RuntimeError("All programs must come to an end")
    return max(core.cycle for core in node.cores) + 1, time.process_time() - begin


def rtl_seconds(built: sim.Build, passes: int) -> tuple[int, float]:
    """The same in RTL under Verilator."""
    with tempfile.TemporaryDirectory() as scratch:
        result = sim.run(
            built, "cocotb_tests.node_load_tb", seed=1, expected=1, path=Path(scratch),
            timeout=1800, variables={"PANTHER_PASSES": str(passes)},
        )  # fmt: skip
        for failure in result.failures:
            raise RuntimeError(failure.failure)
        found = json.loads((Path(scratch) / RESULT).read_text())
        return found["cycles"], found["seconds"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rtl", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args(arguments)
    console = Console(highlight=False)
    met = True

    twin_seconds(1, 1, 1)  # compiles
    table = Table("tiles", box=box.SIMPLE_HEAD, title="Transaction level, cost of more tiles")
    for heading in ("cycles", "CPU s", "cycles/s", "ns a core and cycle"):
        table.add_column(heading, justify="right")
    costs = []
    for width, height in MESHES:
        runs = [twin_seconds(width, height, PASSES) for _ in range(args.rounds)]
        cycles, seconds = runs[0][0], min(run[1] for run in runs)
        cores = width * height * NODE.tile.cores
        costs.append(seconds / cycles / cores * 1e9)
        table.add_row(
            str(width * height), f"{cycles:,}", f"{seconds:.3f}", f"{cycles / seconds:,.0f}",
            f"{costs[-1]:.1f}",
        )  # fmt: skip
    console.print(table)
    linear = costs[-1] <= SPREAD * min(costs)
    met &= linear
    console.print(
        f"a core's cycle in {MESHES[-1][0] * MESHES[-1][1]} tiles: "
        f"{costs[-1] / min(costs):.2f} times the least, at most {SPREAD}: "
        f"{'met' if linear else 'MISSED'}"
    )
    if args.rtl:
        built = sim.build(node_lockstep_bench(NODE), "verilator", fast=True)
        slow = [rtl_seconds(built, RTL_PASSES) for _ in range(args.rounds)]
        fast = [twin_seconds(NODE.width, NODE.height, RTL_PASSES) for _ in range(args.rounds)]
        cycles = {run[0] for run in (*slow, *fast)}
        seconds, twin = min(run[1] for run in slow), min(run[1] for run in fast)
        reached = len(cycles) == 1 and seconds / twin >= RATIO
        met &= reached
        console.print(
            f"4 tiles x 2 cores x 2 units, {', '.join(f'{n:,}' for n in cycles)} cycles on both: "
            f"RTL {seconds:.2f} s ({max(cycles) / seconds / 1e3:.0f} k cycles/s), twin "
            f"{twin * 1e3:.1f} ms: {seconds / twin:.0f} times as fast, at least {RATIO:.0f}: "
            f"{'met' if reached else 'MISSED'}",
            soft_wrap=True,
        )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
