"""The matrix compute unit on the bench: random programs against golden, every result compared."""

import random

import cocotb
import numpy as np

from cocotb_tests.analog_bridge import AnalogBridge
from cocotb_tests.compare import compare
from cocotb_tests.designs import parameters
from cocotb_tests.drivers import corner
from cocotb_tests.host import HostPort, Script, reset, signed_words, unpack_cells
from golden.crs import crs
from golden.mvm import mtvm, mvm
from golden.opa import opa
from models.analog.array import IdealArray
from panther.arch.mcu import INDEX_BITS, ConfigKey, InBank, Operation, OutBank, counter_names

ROUNDS = 14


class Golden:
    """What the unit and its arrays should hold: cells, operands, configuration, counters."""

    def __init__(self, params, cells):
        self.params, self.cells = params, cells
        self.rows, self.columns = params.rows, params.columns
        self.shift = {Operation.MVM: 0, Operation.MTVM: 0}
        lines = {
            InBank.MVM: params.rows, InBank.MTVM: params.columns,
            InBank.OPA_ROWS: params.rows, InBank.OPA_COLUMNS: params.columns,
        }  # fmt: skip
        self.operands = {bank: np.zeros(count, np.int64) for bank, count in lines.items()}
        self.counters = dict.fromkeys(counter_names(params.slices.count), 0)
        self.rejections = 0

    def _count(self, name, values):
        for k, value in enumerate(np.atleast_1d(values)):
            self.counters[f"{name}_{k}"] += int(value)

    def mvm(self):
        cells = self.cells[:, :, : self.columns]
        result = mvm(self.params, cells, self.operands[InBank.MVM], shift=self.shift[Operation.MVM])
        self.counters["requantise"] += result.saturated
        self._count("adc_clip", result.clipped)
        return result.y

    def mtvm(self):
        cells = self.cells[:, : self.rows]
        result = mtvm(
            self.params, cells, self.operands[InBank.MTVM], shift=self.shift[Operation.MTVM]
        )
        self.counters["requantise"] += result.saturated
        self._count("adc_clip", result.clipped)
        return result.y

    def opa(self):
        rows, columns = self.operands[InBank.OPA_ROWS], self.operands[InBank.OPA_COLUMNS]
        self.cells = opa(self.params, self.cells, rows, columns).cells

    def crs(self):
        used = np.ascontiguousarray(self.cells[:, : self.rows, : self.columns])
        result = crs(self.params, used)
        self.cells = self.cells.copy()
        self.cells[:, : self.rows, : self.columns] = result.cells
        self.counters["crs_top"] += result.saturated
        self._count("cell_limit", result.at_limit)


def random_cells(params, rng, *shape):
    """Cells over their whole range, often at its ends."""
    count = int(np.prod(shape))
    ranges = [params.slices.cell_range(k) for k in range(params.slices.count)]
    cells = [[corner(rng, low, high) for _ in range(count)] for low, high in ranges]
    return np.array(cells, dtype=np.int16).reshape(-1, *shape)


def random_words(params, rng, count):
    half = 1 << (params.operand_bits - 1)
    return np.array([corner(rng, -half, half - 1) for _ in range(count)])


class Bench:
    """One unit, its array, its golden twin."""

    def __init__(self, dut, rng, stall):
        self.params = params = parameters()
        self.rng = rng
        self.array = IdealArray(params)
        self.array.cells = random_cells(params, rng, params.rows, params.columns)
        self.golden = Golden(params, self.array.cells)
        self.bridge = AnalogBridge(dut.unit0, params, self.array)
        self.host = HostPort(dut.unit0, params, stall=stall)
        cocotb.start_soon(self.bridge.serve())

    def configure(self, script):
        """Random lines in use and shifts; often all lines."""
        golden, params, rng = self.golden, self.params, self.rng
        golden.rows = rng.choice([params.rows, rng.randint(1, params.rows)])
        golden.columns = rng.choice([params.columns, rng.randint(1, params.columns)])
        script.configure(ConfigKey.ROWS, golden.rows)
        script.configure(ConfigKey.COLUMNS, golden.columns)
        for operation, key in (
            (Operation.MVM, ConfigKey.MVM_SHIFT), (Operation.MTVM, ConfigKey.MTVM_SHIFT),
        ):  # fmt: skip
            # small shifts saturate nearly always, great ones leave nothing
            typical = params.sum_bits - params.operand_bits
            shift = rng.choice([0, typical, max(0, typical - 4), rng.randrange(params.sum_bits)])
            golden.shift[operation] = shift
            script.configure(key, shift)

    def operands(self, script, *banks):
        for bank in banks:
            words = random_words(self.params, self.rng, len(self.golden.operands[bank]))
            self.golden.operands[bank] = words
            script.write(bank, words)

    def reject(self, script):
        """Requests that cannot be carried out, each to be flagged and without effect."""
        params = self.params
        script.configure(ConfigKey.ROWS, params.rows + 1)
        script.configure(ConfigKey.COLUMNS, 0)
        script.configure(ConfigKey.MVM_SHIFT, params.sum_bits)
        script.entry_configure(15, 1)
        script.entry_command(7)
        self.golden.rejections += 5
        # a crossbar of the greatest size has no line past its end
        if params.rows < 1 << INDEX_BITS:
            script.command(Operation.READ, params.rows)
            script.entry_write(InBank.MVM, params.rows, 1)
            self.golden.rejections += 2
        if params.columns < 1 << INDEX_BITS:
            script.entry_write(InBank.OPA_COLUMNS, params.columns, -1)
            self.golden.rejections += 1

    async def check(self, script, operation, results=()):
        """Play ``script``; compare results, cells and rejections."""
        answers = await self.host.play(script)
        for name, where, expected in results:
            rtl = signed_words(answers[where])
            compare("Mcu", f"{operation}, {name}", expected, rtl, ("line",))
        used = (slice(None), slice(self.golden.rows), slice(self.golden.columns))
        compare(
            "Mcu", f"{operation}, cells", self.golden.cells[used], self.array.cells[used],
            ("slice", "row", "column"),
        )  # fmt: skip
        compare("Mcu", f"{operation}, rejections", self.golden.rejections, self.host.rejections)
        # cells of columns not in use are undefined once their row was written
        self.golden.cells = self.array.cells


@cocotb.test()
@cocotb.parametrize(stall=[0, 100])
async def random_programs_match_golden(dut, stall):
    await reset(dut)
    rng = random.Random(cocotb.RANDOM_SEED + stall)
    bench = Bench(dut, rng, stall)
    params, golden = bench.params, bench.golden
    for number in range(ROUNDS):
        script = Script(params)
        if number % 4 == 0:
            bench.configure(script)
            await bench.check(script, "configuration")
        script = Script(params)
        operation = rng.choice([*Operation, Operation.OPA, Operation.CRS])
        results = []
        label = f"round {number}, {operation.name}"
        if operation is Operation.MVM:
            bench.operands(script, InBank.MVM)
            script.command(operation)
            results = [("XbarOut", script.read(OutBank.MVM, golden.columns), golden.mvm())]
        elif operation is Operation.MTVM:
            bench.operands(script, InBank.MTVM)
            script.command(operation)
            results = [("XbarOut", script.read(OutBank.MTVM, golden.rows), golden.mtvm())]
        elif operation is Operation.OPA:
            bench.operands(script, InBank.OPA_ROWS, InBank.OPA_COLUMNS)
            script.command(operation)
            golden.opa()
        elif operation is Operation.CRS:
            script.command(operation)
            golden.crs()
        else:
            row = rng.randrange(params.rows)
            if operation is Operation.WRITE:
                cells = random_cells(params, rng, golden.columns)
                script.write_cells(cells)
                script.command(Operation.WRITE, row)
                golden.cells[:, row, : golden.columns] = cells
            # the row buffer is overwritten before it is read, so the row must come from the array
            script.write_cells(random_cells(params, rng, golden.columns))
            script.command(Operation.READ, row)
            where = script.read_cells(golden.columns)
            answers = await bench.host.play(script)
            compare(
                "Mcu", f"{label}, row {row} read back", golden.cells[:, row, : golden.columns],
                unpack_cells(params, answers[where]), ("slice", "column"),
            )  # fmt: skip
            script = Script(params)
            script.wait()
        await bench.check(script, label, results)
    script = Script(params)
    where = script.counters()
    answers = await bench.host.play(script)
    compare(
        "Mcu", "counters " + ", ".join(golden.counters), list(golden.counters.values()),
        signed_words(answers[where]), ("counter",),
    )  # fmt: skip


@cocotb.test()
@cocotb.parametrize(stall=[0, 100])
async def operands_and_results_are_locked_while_in_use(dut, stall):
    await reset(dut)
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED), stall)
    golden, params = bench.golden, bench.params
    script = Script(params)
    bench.configure(script)
    # CRS leaves columns not in use undefined, and MTVM would show it
    golden.rows, golden.columns = params.rows, params.columns
    script.configure(ConfigKey.ROWS, golden.rows)
    script.configure(ConfigKey.COLUMNS, golden.columns)
    bench.operands(script, *InBank)
    results = []
    # nothing waits for an operation to end, except what must
    script.command(Operation.MVM, wait=False)
    y = golden.mvm()
    bench.operands(script, InBank.MVM)
    results.append(("first XbarOut", script.read(OutBank.MVM, golden.columns), y))
    script.command(Operation.MVM, wait=False)
    results.append(("second XbarOut", script.read(OutBank.MVM, golden.columns), golden.mvm()))
    script.command(Operation.OPA, wait=False)
    golden.opa()
    bench.operands(script, InBank.OPA_ROWS, InBank.OPA_COLUMNS)
    script.command(Operation.OPA, wait=False)
    golden.opa()
    script.command(Operation.MTVM, wait=False)
    y = golden.mtvm()
    bench.operands(script, InBank.MTVM)
    results.append(("XbarOut after OPA", script.read(OutBank.MTVM, golden.rows), y))
    script.command(Operation.CRS, wait=False)
    golden.crs()
    script.command(Operation.MTVM, wait=False)
    y = golden.mtvm()
    results.append(("XbarOut after CRS", script.read(OutBank.MTVM, golden.rows), y))
    script.wait()
    await bench.check(script, "overlapping requests", results)


@cocotb.test()
async def bad_requests_are_flagged_and_have_no_effect(dut):
    await reset(dut)
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED), 0)
    golden = bench.golden
    script = Script(bench.params)
    bench.operands(script, *InBank)
    bench.reject(script)
    script.command(Operation.MVM)
    script.command(Operation.OPA)
    results = [("XbarOut", script.read(OutBank.MVM, golden.columns), golden.mvm())]
    golden.opa()
    await bench.check(script, "after bad requests", results)


@cocotb.test()
async def operations_keep_to_their_cycles(dut):
    """At most the cycles the unit's data sheet promises, and no fewer than its converters need."""
    await reset(dut)
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED), 0)
    params = bench.params
    timing, bits, lanes = params.timing, params.operand_bits, params.adc.per_slice
    columns, rows = params.columns // lanes, params.rows // lanes
    settle, stages = timing.integrate_cycles, -(-params.slices.count // 4)
    row_cycles = columns + settle + timing.program_cycles + stages + 4
    promised = {
        Operation.MVM: (bits * columns, bits * max(columns, settle + 2) + settle + 10),
        Operation.MTVM: (bits * rows, bits * max(rows, settle + 2) + settle + 10),
        Operation.OPA: (4 * bits, 4 * bits * timing.pulse_cycles + 5),
        Operation.CRS: (params.rows * columns, params.rows * row_cycles + 4),
    }
    script = Script(params)
    times = [script.cycle()]
    for operation in promised:
        script.command(operation)
        times.append(script.cycle())
    answers = await bench.host.play(script)
    at = [int(answers[time][0, 0]) for time in times]
    for n, (operation, (least, most)) in enumerate(promised.items()):
        cycles = at[n + 1] - at[n]
        dut._log.info(f"{operation.name}: {cycles} cycles, at most {most}")
        assert least <= cycles <= most, (
            f"{operation.name} must take {least} to {most} cycles, not {cycles}"
        )
