"""Training steps of whole networks on their twins: cycles, speed, memory, every cell as golden's.

``python -m benchmarks.networks vgg16`` compiles a network, writes random cells into a fresh node at
transaction level, and trains one example; then golden does. ``make vgg16`` does the same.
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import resource
import time
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from panther.arch.overrides import override
from panther.arch.presets import PAPER
from panther.train.twin import Twin, compile_model, ready

MOST_MINUTES = 10.0
"""Of wall clock, a step of any network here."""
MOST_GIB = 6.0


def warm_up() -> None:
    """Have all that is needed compiled."""
    twin = ready(compile_model("mlp"))
    twin.train(*twin.examples())
    twin.wrong(*twin.examples())


def counted(twin: Twin) -> dict[str, int]:
    """Numbers of all tiles together, since the start."""
    found: dict[str, int] = {}
    for tile in range(twin.compiled.node.tiles):
        for name, count in twin.node.counters(tile).items():
            last = name.rpartition(".")[2]
            found[last] = found.get(last, 0) + count
    mcus = range(twin.compiled.node.tile.core.mcus)
    found["operations"] = sum(core.issued(m) for core in twin.node.cores for m in mcus)
    found["retired"] = sum(core.retired for core in twin.node.cores)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["mlp", "mlp-l4", "vgg16"], help="networks")
    parser.add_argument("--golden", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="sets")
    args = parser.parse_args(arguments)
    console = Console(highlight=False)
    mcu = override(PAPER, args.sets)
    warm_up()
    met = True
    for name in args.names:
        table = Table(name, box=box.SIMPLE_HEAD)
        for heading in ("wall s", "CPU s", "GiB at most"):
            table.add_column(heading, justify="right")
        began = [time.monotonic(), time.process_time()]

        def lap(what: str, table: Table = table, began: list[float] = began) -> float:
            """Add a row for what has been done since the last one."""
            now = [time.monotonic(), time.process_time()]
            wall, cpu = (b - a for a, b in zip(began, now, strict=True))
            gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
            table.add_row(what, f"{wall:.1f}", f"{cpu:.1f}", f"{gib:.2f}")
            began[:] = now
            return wall

        compiled = compile_model(name, mcu=mcu)
        lap("compile")
        twin = ready(compiled)
        lap("a node, its cells")
        x, labels = twin.examples()
        twin.train(x, labels)
        met &= lap("a training step") <= 60 * MOST_MINUTES
        wrong = twin.wrong(x, labels) if args.golden else []
        if args.golden:
            lap("cells read, golden's step")
        console.print(table)
        numbers = counted(twin)
        used = len({placed.core[0] for placed in compiled.placed})
        console.print(
            f"{len(compiled.placed)} crossbars, {used} tiles of {compiled.node.tile.core.mcu.rows} "
            f"x {compiled.node.tile.core.mcu.columns}; {twin.node.clock:,} cycles, "
            f"{numbers['retired']:,} instructions, {numbers['operations']:,} operations of matrix "
            f"units, {numbers['accesses']:,} groups of words, {numbers['sent']:,} rows of messages",
            soft_wrap=True,
        )
        if args.golden:
            console.print("all cells as golden's" if not wrong else f"FAIL {'; '.join(wrong)}")
        met &= not wrong
        met &= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20) <= MOST_GIB
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
