"""Train a network by a program on a core in RTL, golden in step, every integer compared."""

import json
import os
import time
from pathlib import Path

import cocotb
import numpy as np

from cocotb_tests.compare import compare
from cocotb_tests.core_driver import CoreDriver
from cocotb_tests.faults import Drop, FaultyArray, Flip, Stuck, parse_fault
from cocotb_tests.host import reset
from cocotb_tests.training import CELLS, CORE, LAYERS, PROGRESS, RECORD, RESULT, Run, program
from golden.data import digits
from golden.fast import FastMatrix
from golden.train import Trainer
from models.analog.array import IdealArray
from models.system.trace import Event
from panther.arch.core import LANES, Fault
from panther.arch.mcu import Operation, OutBank, counter_names
from panther.asm import assemble_text

AXES = ("slice", "row", "column")


class WitnessMatrix(FastMatrix):
    """A golden matrix that remembers what its last products were."""

    def mvm(self, x, shift):
        self.mvm_output = super().mvm(x, shift)
        return self.mvm_output

    def mtvm(self, e, shift):
        self.mtvm_output = super().mtvm(e, shift)
        return self.mtvm_output


class Training:
    """The golden training beside the program: one step ahead, compared as the units finish."""

    def __init__(self, run: Run, core: CoreDriver, data) -> None:
        self.run, self.core, self.data = run, core, data
        self.order = run.order(data)
        self.golden = Trainer(run.config(), WitnessMatrix)
        self.example = -1
        self.compared = 0
        self.hits: list[bool] = []
        self.resolutions = 0
        self.cycles: dict[str, dict[str, list[int]]] = {}
        self.began = self.last_report = time.monotonic()

    def see(self, mcu: int, operation: Operation) -> None:
        """A unit is done with an operation: compare what it yielded."""
        names = self.cycles.setdefault(f"unit{mcu}", {})
        names.setdefault(operation.name, []).append(self.core.operation_cycles(mcu))
        if mcu == 0 and operation is Operation.MVM:
            self.example += 1
            self._step()
        matrix = self.golden.matrices[mcu]
        if operation is Operation.MVM:
            self._check(mcu, OutBank.MVM, matrix.mvm_output[0])
        elif operation is Operation.MTVM:
            self._check(mcu, OutBank.MTVM, matrix.mtvm_output[0])
        elif operation is Operation.CRS:
            self.resolutions += mcu == 0
            self.check_cells(mcu, f"example {self.example}, after CRS")

    def _step(self) -> None:
        chosen = self.order[self.example % len(self.order)]
        label = int(self.data.train_y[chosen])
        trace = self.golden.step(self.data.train_x[chosen], label)
        self.hits.append(int(np.argmax(trace.logits[0])) == label)
        now = time.monotonic()
        if now - self.last_report > 0.1 or self.example == self.run.steps - 1:
            self.last_report = now
            state = {"examples": self.example + 1, "compared": self.compared}
            partial = Path(PROGRESS).with_suffix(".partial")
            partial.write_text(json.dumps(state))
            partial.rename(PROGRESS)

    def _check(self, mcu: int, bank: OutBank, witness) -> None:
        rtl = self.core.xbar_out(mcu, bank)[: len(witness)]
        compare(f"unit{mcu}", f"example {self.example}, {bank.name}", witness, rtl, ("line",))
        self.compared += rtl.size

    def check_cells(self, mcu: int, when: str) -> np.ndarray:
        """Every cell of every slice, as the array holds it."""
        matrix = self.golden.matrices[mcu]
        rows, columns = matrix.shape
        cells = self.core.arrays[mcu].cells[:, :rows, :columns]
        compare(f"unit{mcu}", f"{when}, cells", matrix.cells, cells, AXES)
        self.compared += cells.size
        return cells

    async def check_rows(self, mcu: int, when: str) -> None:
        """Every cell of every slice, as the unit reads it back."""
        matrix = self.golden.matrices[mcu]
        read = await self.core.read_cells(mcu, *matrix.shape)
        compare(f"unit{mcu}", f"{when}, cells read back", matrix.cells, read, AXES)
        self.compared += read.size

    async def check_counters(self) -> dict[str, dict[str, int]]:
        """Saturation counters, read by a program."""
        names = counter_names(CORE.mcu.slices.count)
        found = {}
        for mcu, matrix in enumerate(self.golden.matrices):
            reads = "\n".join(f"csrr s1, m{mcu}.{name}" for name in names)
            await self.core.load(assemble_text(f"{reads}\nhlt", CORE).words)
            self.core.forget()
            await self.core.run()
            values = self.core.take(Event.SCALAR)[:, 2].tolist()
            golden = matrix.counters
            expected = [golden.saturated, golden.crs_saturated, *golden.clipped, *golden.at_limit]
            compare(f"unit{mcu}", "counters", expected, values, ("counter",))
            self.compared += len(values)
            found[f"unit{mcu}"] = dict(zip(names, values, strict=True))
        return found


def _arrays(fault) -> list:
    """The array of every unit; the fault may sit in one of them."""
    arrays: list = [IdealArray(CORE.mcu) for _ in range(CORE.mcus)]
    if isinstance(fault, (Stuck, Drop)):
        arrays[fault.unit] = FaultyArray(arrays[fault.unit], fault)
    return arrays


@cocotb.test()
async def training_matches_golden(dut):
    run = Run.from_json(os.environ["PANTHER_RUN"])
    fault = parse_fault(run.fault) if run.fault else None
    data = digits(run.config().formats)
    await reset(dut)
    core = CoreDriver(dut.core0, CORE, _arrays(fault))
    training = Training(run, core, data)
    cpu = time.process_time()
    for mcu, matrix in enumerate(training.golden.matrices):
        await core.write_cells(mcu, matrix.cells)
        training.check_cells(mcu, "first weights")
    first_cells = [training.check_cells(mcu, "first weights") for mcu in range(len(LAYERS) - 1)]
    training.compared = 0
    words = run.memory(data)
    if isinstance(fault, Flip):
        words[fault.example * RECORD + fault.row] ^= np.int16(1 << fault.bit)
    groups = CORE.memory_words // LANES
    await core.load_memory(words, np.ones(groups, bool), np.zeros(groups, np.int64))
    await core.load(program().words)
    core.forget()
    loaded = time.process_time()
    stop = await core.run(on_operation=training.see)
    running = time.process_time() - loaded
    assert stop.fault is Fault.NONE, f"the program must halt, not stop with {stop}"
    assert training.example + 1 == run.steps
    final_cells = [training.check_cells(mcu, "at the end") for mcu in range(len(LAYERS) - 1)]
    for mcu in range(len(LAYERS) - 1):
        await training.check_rows(mcu, "at the end")
    np.savez(
        CELLS,
        **{f"first{n}": cells for n, cells in enumerate(first_cells)},
        **{f"last{n}": cells for n, cells in enumerate(final_cells)},
    )
    counters = await training.check_counters()
    result = {
        "examples": run.examples,
        "steps": run.steps,
        "resolutions": training.resolutions,
        "compared": training.compared,
        "mismatches": 0,  # the first one ends the run
        "hits": training.hits,
        "instructions": stop.retired,
        "cycles": stop.cycles,
        "cpu_seconds": time.process_time() - cpu,
        "program_seconds": running,
        "model_seconds": sum(bridge.seconds for bridge in core.bridges),
        "events": sum(bridge.events for bridge in core.bridges),
        "operations": {
            unit: {
                name: {"count": len(c), "cycles": sorted(set(c))} for name, c in operations.items()
            }
            for unit, operations in sorted(training.cycles.items())
        },
        "counters": counters,
    }
    Path(RESULT).write_text(json.dumps(result, indent=1))
