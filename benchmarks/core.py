"""Speed of the core: cycles of its instructions, its RTL beside its transaction-level twin.

The demo's training program runs on both, in the same cycles, and both must end with golden's
cells; then a program of 128 x 128 operations runs on the twin alone. ``python -m benchmarks.core``
prints the best of interleaved rounds, in CPU time.
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from cocotb_tests.designs import core_bench
from cocotb_tests.training import CORE, RESULT, Run, transaction_level
from models.analog.array import IdealArray
from models.system.core import Core, Status
from models.system.trace import Event
from panther import sim
from panther.asm import assemble_text

RATIO = 100.0
"""How much faster than its RTL the twin must be."""
REFERENCE = 16.0
"""Instructions per CPU second of the published simulator, at best."""
FASTER = 1000.0
"""How much faster than that."""
OVERHEAD = 3
"""Most cycles of a vector instruction beside one for every group of four words."""

FULL = """
        mcfg    m0, mvm_shift, 24
        mcfg    m0, mtvm_shift, 24
        loop    200, end
        ld      m0.mvm_in, s0, 0, 128
        v.mov   m0.opa_rows, m0.mvm_in, 128
        mcu     m0:mvm
        vi.max  r0, m0.mvm_out, 0, 128
        v.mov   m0.mtvm_in, r0, 128
        mcu     m0:mtvm
        vi.shr  m0.opa_columns, m0.mtvm_out, 128, 4
        mcu     m0:opa
        st      r0, s0, 0, 128, plain
end:    crs     m0
        hlt
"""

VECTORS = "\n".join(
    f"v.add r0, r512, r256, {length}\nvi.exp r0, r512, {length}, 10\nvr.sum s1, r0, {length}"
    for length in (1, 4, 5, 64, 128, 256)
)
LOOP = "loop 100, end\nsadd s1, s1, 1\nend: hlt"


def gaps(text: str) -> list[tuple[int, int]]:
    """Address and cycles of every instruction that retires, on a core of its own."""
    core = Core(CORE, [IdealArray(CORE.mcu) for _ in range(CORE.mcus)], trace=True)
    core.load(np.array(assemble_text(text, CORE).words, np.uint64))
    core.start()
    if core.run() is not Status.HALTED:
        raise RuntimeError(f"The program must halt, not stop with {core.fault.name}")
    rows = core.events(Event.RETIRE)
    return [
        (int(row[1]), int(c)) for row, c in zip(rows, np.diff(rows[:, 0], prepend=-1), strict=True)
    ]


def full_size(rounds: int) -> tuple[int, float]:
    """Instructions, and CPU seconds, of a program of 128 x 128 operations on the twin."""
    seconds = []
    for _ in range(rounds + 1):
        rng = np.random.default_rng(1)
        arrays = [IdealArray(CORE.mcu) for _ in range(CORE.mcus)]
        cells = rng.integers(-8, 8, arrays[0].cells.shape).astype(np.int16)
        arrays[0].cells = cells
        core = Core(CORE, arrays)
        core.load(np.array(assemble_text(FULL, CORE).words, np.uint64))
        core.load_memory(0, rng.integers(-2000, 2000, 128).astype(np.int16))
        core.start()
        begin = time.process_time()
        if core.run() is not Status.HALTED:
            raise RuntimeError(f"The program must halt, not stop with {core.fault.name}")
        seconds.append(time.process_time() - begin)
    return core.retired, min(seconds[1:])  # the first one compiles


def rtl(built: sim.Build, run: Run) -> dict[str, float]:
    """What the testbench measures of the demo's program under Verilator."""
    with tempfile.TemporaryDirectory() as scratch:
        result = sim.run(
            built, "cocotb_tests.training_tb", seed=1, expected=1, path=Path(scratch), timeout=600,
            variables={"PANTHER_RUN": run.to_json()},
        )  # fmt: skip
        for failure in result.failures:
            raise RuntimeError(failure.failure)
        return json.loads((Path(scratch) / RESULT).read_text())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    args = parser.parse_args(arguments)
    console = Console(highlight=False)
    met = True

    table = Table("instruction", box=box.SIMPLE_HEAD, title="Clock cycles of one instruction")
    for heading in ("groups", "cycles", "beside one a group"):
        table.add_column(heading, justify="right")
    lines = VECTORS.splitlines()
    for line, (_, cycles) in zip(lines, gaps(f"{VECTORS}\nhlt"), strict=False):
        length = int(line.replace(", 10", "").rsplit(", ", 1)[1])
        groups = -(-length // 4)
        met &= cycles - groups <= OVERHEAD
        table.add_row(line, str(groups), str(cycles), str(cycles - groups))
    console.print(table)
    body = [cycles for pc, cycles in gaps(LOOP) if pc == 1]
    met &= len(body) == 100 and set(body) == {2}
    console.print(
        f"a loop of one scalar instruction: {sorted(set(body))} cycles a pass, as without"
    )

    built = sim.build(core_bench(CORE), "verilator", fast=True)
    run = Run()
    slow, fast = [], []
    for _ in range(args.rounds):
        slow.append(rtl(built, run))
        fast.append(transaction_level(run))
    cycles = {item["cycles"] for item in (*slow, *fast)}
    seconds = min(item["program_seconds"] for item in slow)
    twin = min(min(item["seconds"]) for item in fast)
    met &= len(cycles) == 1 and seconds / twin >= RATIO
    console.print(
        f"demo program, {run.examples} examples, {fast[0]['instructions']:,} instructions, "
        f"{', '.join(f'{n:,}' for n in cycles)} cycles on both: RTL {seconds:.2f} s "
        f"({max(cycles) / seconds / 1e6:.2f} Mcycles/s), twin {twin * 1e3:.1f} ms "
        f"({twin / run.examples * 1e6:.0f} us an example): {seconds / twin:.0f} times as fast, "
        f"at least {RATIO:.0f}",
        soft_wrap=True,
    )
    retired, seconds = full_size(args.rounds)
    rate = retired / seconds
    met &= rate / REFERENCE >= FASTER
    console.print(
        f"128 x 128 operations: {rate:,.0f} instructions a CPU second, "
        f"{rate / REFERENCE:,.0f} times the published simulator's {REFERENCE:.0f}, at least "
        f"{FASTER:.0f}: {'met' if met else 'MISSED'}",
        soft_wrap=True,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
