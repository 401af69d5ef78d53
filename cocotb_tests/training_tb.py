"""Train a network on two matrix units in RTL, golden in step, every integer compared.

The testbench does what a core will do later: it moves vectors between the units and computes the
vector functions (ReLU, softmax error, learning rate) with ``golden.layers``.
"""

import json
import os
import time
from pathlib import Path

import cocotb
import numpy as np

from cocotb_tests.analog_bridge import AnalogBridge
from cocotb_tests.compare import compare
from cocotb_tests.faults import Drop, FaultyArray, Flip, Stuck, parse_fault
from cocotb_tests.host import HostPort, Script, reset, signed_words, unpack_cells
from cocotb_tests.training import CELLS, PROGRESS, RESULT, Run
from golden.data import digits
from golden.fast import FastMatrix
from golden.layers import bias_row, learning_rate, relu, relu_backward, scale_error, softmax_error
from golden.train import Trainer, epoch_order
from models.analog.array import IdealArray
from panther.arch.mcu import ConfigKey, InBank, Operation, OutBank, counter_names

AXES = ("slice", "row", "column")


class WitnessMatrix(FastMatrix):
    """A golden matrix that remembers what its last products were."""

    def mvm(self, x, shift):
        self.mvm_output = super().mvm(x, shift)
        return self.mvm_output

    def mtvm(self, e, shift):
        self.mtvm_output = super().mtvm(e, shift)
        return self.mtvm_output


class Layer:
    """One layer on one unit of the bench."""

    def __init__(self, dut, number, params, matrix, fault, shift):
        self.number, self.params, self.matrix, self.shift = number, params, matrix, shift
        self.rows, self.columns = matrix.shape
        self.array = IdealArray(params)
        self.fault = fault if fault is not None and fault.unit == number else None
        if isinstance(self.fault, (Stuck, Drop)):
            self.array = FaultyArray(self.array, self.fault)
        unit = getattr(dut, f"unit{number}")
        self.bridge = AnalogBridge(unit, params, self.array)
        self.host = HostPort(unit, params)
        self.opas = 0
        self.cycles = {}
        cocotb.start_soon(self.bridge.serve())

    async def play(self, script, timed=()):
        """Play a script; ``timed`` are (operation, begin, end) places of its cycle stamps."""
        answers = await self.host.play(script)
        for operation, begin, end in timed:
            cycles = int(answers[end][0, 0]) - int(answers[begin][0, 0])
            self.cycles.setdefault(operation.name, []).append(cycles)
        return answers

    def operate(self, script, operation):
        begin = script.cycle()
        script.command(operation)
        return operation, begin, script.cycle()

    async def load(self):
        """Configure the unit and write the first weights, row by row."""
        cells = self.matrix.cells
        script = Script(self.params)
        for key, value in (
            (ConfigKey.ROWS, self.rows), (ConfigKey.COLUMNS, self.columns),
            (ConfigKey.MVM_SHIFT, self.shift), (ConfigKey.MTVM_SHIFT, self.shift),
        ):  # fmt: skip
            script.configure(key, value)
        for row in range(self.rows):
            script.write_cells(cells[:, row])
            script.command(Operation.WRITE, row)
        await self.play(script)
        self.check_cells("first weights")

    async def forward(self, x, example):
        script = Script(self.params)
        words = x
        if isinstance(self.fault, Flip) and example == self.fault.example:
            words = x.copy()
            words[self.fault.row] ^= 1 << self.fault.bit
        script.write(InBank.MVM, words)
        script.write(InBank.OPA_ROWS, x)
        timed = self.operate(script, Operation.MVM)
        where = script.read(OutBank.MVM, self.columns)
        return signed_words((await self.play(script, [timed]))[where])

    async def backward(self, e):
        script = Script(self.params)
        script.write(InBank.MTVM, e)
        timed = self.operate(script, Operation.MTVM)
        where = script.read(OutBank.MTVM, self.rows)
        return signed_words((await self.play(script, [timed]))[where])

    async def opa(self, e, period):
        """OPA, and CRS when its period is over; returns whether there was one."""
        script = Script(self.params)
        script.write(InBank.OPA_COLUMNS, e)
        timed = [self.operate(script, Operation.OPA)]
        self.opas += 1
        due = self.opas % period == 0
        if due:
            timed.append(self.operate(script, Operation.CRS))
        await self.play(script, timed)
        return due

    def check_cells(self, when):
        """Every cell of every slice, as the array holds it."""
        cells = self.array.cells[:, : self.rows, : self.columns]
        compare(f"unit{self.number}", f"{when}, cells", self.matrix.cells, cells, AXES)
        return cells

    async def check_rows(self, when):
        """Every cell of every slice, as the unit reads it back."""
        rows = []
        for row in range(self.rows):
            script = Script(self.params)
            script.command(Operation.READ, row)
            where = script.read_cells(self.columns)
            rows.append(unpack_cells(self.params, (await self.play(script))[where]))
        read = np.stack(rows, axis=1)
        compare(f"unit{self.number}", f"{when}, cells read back", self.matrix.cells, read, AXES)

    async def counters(self):
        script = Script(self.params)
        where = script.counters()
        values = signed_words((await self.play(script))[where])
        names = counter_names(self.params.slices.count)
        counters = dict(zip(names, map(int, values), strict=True))
        golden = self.matrix.counters
        expected = [golden.saturated, golden.crs_saturated, *golden.clipped, *golden.at_limit]
        compare(f"unit{self.number}", "counters", expected, list(counters.values()), ("counter",))
        return counters


@cocotb.test()
async def training_matches_golden(dut):
    run = Run.from_json(os.environ["PANTHER_RUN"])
    config = run.config()
    formats = config.formats
    golden = Trainer(config, WitnessMatrix)
    data = digits(formats)
    fault = parse_fault(run.fault) if run.fault else None
    await reset(dut)
    layers = [
        Layer(dut, n, config.params, matrix, fault, formats.output_shift)
        for n, matrix in enumerate(golden.matrices)
    ]
    began, cpu = time.monotonic(), time.process_time()
    compared = 0

    def check(unit, what, witness, rtl, axes=("line",)):
        nonlocal compared
        compare(f"unit{unit}", f"example {example}, {what}", witness, rtl, axes)
        compared += np.size(rtl)

    for layer in layers:
        await layer.load()
    first_cells = [layer.array.cells[:, : layer.rows, : layer.columns] for layer in layers]
    rate = learning_rate(config.lr, 1, formats)
    resolutions, hits = 0, []
    count = len(data.train_x)
    progress = Path(PROGRESS)
    last_report = 0.0
    for example in range(run.examples):
        chosen = epoch_order(config, example // count, count)[example % count]
        pixels, label = data.train_x[chosen], data.train_y[chosen]
        trace = golden.step(pixels, label)
        inputs, y = [], pixels
        for n, layer in enumerate(layers):
            inputs.append(bias_row(relu(y) if n else y, formats))
            y = await layer.forward(inputs[-1], example)
            check(n, "MVM", layer.matrix.mvm_output[0], y)
        hits.append(int(np.argmax(y)) == int(label))
        error = softmax_error(y, label, formats)
        due = False
        for n in reversed(range(len(layers))):
            check(n, "error", trace.errors[n][0], error)
            update = scale_error(error, rate, formats)
            if n:
                back = await layers[n].backward(error)
                check(n, "MTVM", layers[n].matrix.mtvm_output[0], back)
                error = relu_backward(back[:-1], inputs[n][:-1])
            due |= await layers[n].opa(update, config.crs_period)
        if due:
            resolutions += 1
            for layer in layers:
                compared += layer.check_cells(f"example {example}, after CRS").size
        now = time.monotonic()
        if now - last_report > 0.1 or example == run.examples - 1:
            last_report = now
            state = {"examples": example + 1, "seconds": now - began, "compared": compared}
            partial = progress.with_suffix(".partial")
            partial.write_text(json.dumps(state))
            partial.rename(progress)
    final_cells = [layer.check_cells("at the end") for layer in layers]
    compared += sum(cells.size for cells in final_cells)
    for layer in layers:
        await layer.check_rows("at the end")
        compared += layer.matrix.cells.size
    np.savez(
        CELLS,
        **{f"first{n}": cells for n, cells in enumerate(first_cells)},
        **{f"last{n}": cells for n, cells in enumerate(final_cells)},
    )
    cpu = time.process_time() - cpu
    cycle = Script(config.params)
    cycle.cycle()
    total_cycles = int((await layers[0].host.play(cycle))[0, 0])
    result = {
        "examples": run.examples,
        "resolutions": resolutions,
        "compared": compared,
        "mismatches": 0,  # the first one ends the run
        "hits": hits,
        "cycles": total_cycles,
        "cpu_seconds": cpu,
        "model_share": sum(layer.bridge.seconds for layer in layers) / cpu,
        "events": sum(layer.bridge.events for layer in layers),
        "operations": {
            f"unit{layer.number}": {
                name: {"count": len(c), "cycles": sorted(set(c))}
                for name, c in layer.cycles.items()
            }
            for layer in layers
        },
        "counters": {f"unit{layer.number}": await layer.counters() for layer in layers},
    }
    Path(RESULT).write_text(json.dumps(result, indent=1))
