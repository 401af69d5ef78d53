"""Campaign of node programs: random ones on whole nodes in RTL beside their twins.

``python -m cocotb_tests.node_campaign --programs 1000 --seed 7`` runs the same ones every time.
"""

import json
import random
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console

from cocotb_tests.designs import NODES, node_lockstep_bench
from panther import sim

PER_SIMULATION = 40
"""Programs one simulation runs: starting one costs as much as many of them."""


def campaign(
    programs: Annotated[int, typer.Option(min=1, help="Random programs to run.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Which programs; random by default.")] = -1,
    simulator: Annotated[str, typer.Option("--sim", help="verilator or icarus.")] = "verilator",
    node: Annotated[
        list[str] | None, typer.Option(help="Named node; repeatable. Default: pair and square.")
    ] = None,
) -> None:
    """Run random programs of nodes in lockstep; half of them have mistakes."""
    console = Console()
    seed = random.SystemRandom().randrange(1 << 32) if seed < 0 else seed
    console.print(f"seed {seed}: --seed {seed} runs the same programs")
    nodes = node or ["LOCKSTEP_PAIR", "LOCKSTEP_SQUARE"]
    built = {name: sim.build(node_lockstep_bench(NODES[name]), simulator) for name in nodes}
    done: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    first = 1_000_000 * seed
    for number, start in enumerate(range(0, programs, PER_SIMULATION)):
        name = nodes[number % len(nodes)]
        seeds = list(range(first + start, first + min(start + PER_SIMULATION, programs)))
        task = {"node": name, "random": seeds[::2], "broken": seeds[1::2]}
        result = sim.run(
            built[name], "cocotb_tests.node_lockstep_tb", seed=1, expected=1, timeout=1800,
            variables={"PANTHER_NODE": json.dumps(task)},
        )  # fmt: skip
        if result.failures:
            console.print(result.failures[0].failure.strip(), markup=False, soft_wrap=True)
            raise typer.Exit(1)
        found = json.loads((result.path / "node.json").read_text())
        done.update({key: found[key] for key in ("programs", "instructions", "cycles", "compared")})
        faults.update(found["faults"])
    console.print(
        f"{done['programs']:,} programs, {done['instructions']:,} instructions of cores, "
        f"{done['cycles']:,} cycles in lockstep under {simulator}, {done['compared']:,} events and "
        "numbers compared, 0 differences"
    )
    console.print(f"units that stopped: {', '.join(f'{k} {n}' for k, n in faults.items())}")


if __name__ == "__main__":
    typer.run(campaign)
