"""The stand-alone matrix unit between an AXI4-Lite master and two streams, against golden."""

import logging
import random

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from cocotb_tests.analog_bridge import AnalogBridge
from cocotb_tests.axi_channels import pause_at_random, soon
from cocotb_tests.compare import compare
from cocotb_tests.designs import parameters
from cocotb_tests.drivers import start
from cocotb_tests.host import pack_cells, unpack_cells
from cocotb_tests.mcu_tb import OPERANDS, RESULTS, Golden, random_cells, random_words
from cocotb_tests.pins import read as read_pin
from hdl.host.bus import BusError
from models.analog.array import IdealArray
from panther.arch.mcu import InBank, Operation, OutBank
from panther.arch.mcu_ip import ERRORS, IDENTITY, INTERRUPTS, cells_words, mcu_ip_registers
from panther.arch.registers import REGISTER_BYTES, Access

for _noisy in ("s_axil", "s_axis", "m_axis"):
    logging.getLogger(f"cocotb.bench.{_noisy}").setLevel(logging.WARNING)

ROUNDS = 24
OKAY, SLVERR, DECERR = (int(error) for error in BusError)


class Ip:
    """The unit, its array, its golden twin, and what is around it."""

    def __init__(self, dut, rng: random.Random) -> None:
        self.dut, self.rng = dut, rng
        self.params = params = parameters()
        self.registers = {register.name: register for register in mcu_ip_registers(params)}
        self.array = IdealArray(params)
        self.array.cells = random_cells(params, rng, params.rows, params.columns)
        self.golden = Golden(params, self.array.cells, self.array.copies)
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.bridge = AnalogBridge(dut.arrays, params, self.array)

    async def begin(self, probability: float = 0) -> None:
        await start(self.dut)
        cocotb.start_soon(self.bridge.serve())
        if probability:
            write, read = self.master.write_if, self.master.read_if
            channels = (
                write.aw_channel, write.w_channel, write.b_channel, read.ar_channel,
                read.r_channel, self.source, self.sink,
            )  # fmt: skip
            pause_at_random(channels, self.rng, probability)

    def address(self, name: str, n: int = 0) -> int:
        return self.registers[name].offset + REGISTER_BYTES * n

    async def write(self, name: str, value: int, n: int = 0, *, error: int = OKAY) -> None:
        text = value.to_bytes(REGISTER_BYTES, "little")
        response = await soon(self.master.write(self.address(name, n), text))
        compare("McuIp", f"response to writing {name}", error, int(response.resp))

    async def read(self, name: str, n: int = 0, *, error: int = OKAY) -> int:
        response = await soon(self.master.read(self.address(name, n), REGISTER_BYTES))
        compare("McuIp", f"response to reading {name}", error, int(response.resp))
        return int.from_bytes(response.data, "little")

    async def expect(self, name: str, value: int, n: int = 0) -> None:
        compare("McuIp", f"register {name}", value, await self.read(name, n))

    async def command(self, operation: int, row: int = 0, *, error: int = OKAY) -> None:
        fields = self.registers["command"].field
        word = operation << fields("operation").lsb | row << fields("row").lsb
        await self.write("command", word, error=error)

    async def idle(self) -> None:
        """Until the unit is idle and nothing is left to be done by itself."""
        for _ in range(2000):
            if not await self.read("status"):
                return
        raise AssertionError("the unit must become idle")

    def send(self, bank: int, words: np.ndarray) -> None:
        """A packet; words are sign-extended."""
        text = words.astype("<i2").tobytes()
        self.source.send_nowait(AxiStreamFrame(tdata=text, tdest=int(bank)))

    def operands(self, *banks: InBank) -> None:
        for bank in banks:
            words = random_words(self.params, self.rng, len(self.golden.operands[bank]))
            self.golden.operands[bank] = words
            self.send(bank, words)

    async def fetched(self, what: str, bank: OutBank, golden: np.ndarray) -> None:
        """The next packet of results."""
        frame = await soon(self.sink.recv())
        compare("McuIp", f"{what}, bank of the results", int(bank), int(frame.tdest))
        words = np.frombuffer(bytes(frame.tdata), "<i2").astype(np.int64)
        compare("McuIp", what, golden, words, ("line",))

    async def configure(self) -> None:
        """Random lines in use and shifts, often all lines; any array to be read."""
        params, rng, golden = self.params, self.rng, self.golden
        golden.rows = rng.choice([params.rows, rng.randint(1, params.rows)])
        golden.columns = rng.choice([params.columns, rng.randint(1, params.columns)])
        typical = params.sum_bits - params.operand_bits
        for operation in RESULTS:
            shifts = [0, typical, max(0, typical - 4), rng.randrange(params.sum_bits)]
            golden.shift[operation] = rng.choice(shifts)
        golden.eager = rng.random() < 0.5
        for name, value in (
            ("rows", golden.rows), ("columns", golden.columns),
            ("mvm_shift", golden.shift[Operation.MVM]),
            ("mtvm_shift", golden.shift[Operation.MTVM]), ("eager", int(golden.eager)),
        ):  # fmt: skip
            await self.write(name, value)
            await self.expect(name, value)

    async def write_row(self, row: int, cells: np.ndarray) -> None:
        """Cells of the columns in use through the row buffer into the array."""
        await self.write("cell_column", 0)
        for packed in pack_cells(self.params, cells):
            for n in range(cells_words(self.params)):
                await self.write("cells", int(packed[n]), n)
        await self.command(Operation.WRITE, row)
        await self.idle()
        self.golden.write(row, cells)

    async def read_row(self, row: int) -> None:
        """Cells of the columns in use from the array, compared."""
        await self.command(Operation.READ, row)
        await self.idle()
        await self.write("cell_column", 0)
        answers = []
        for _ in range(self.golden.columns):
            words = [await self.read("cells", n) for n in range(cells_words(self.params))]
            answers.append(np.array(words, np.uint32))
        cells = unpack_cells(self.params, np.array(answers))
        golden = self.golden.cells[:, row, : self.golden.columns]
        compare("McuIp", f"row {row} read back", golden, cells, ("slice", "column"))
        await self.expect("cell_column", self.golden.columns & 0xFF)

    def check_cells(self, what: str) -> None:
        self.golden.settle(self.array)
        self.golden.compare("McuIp", what, self.array)

    async def operate(self, operation: Operation, *, auto: bool) -> None:
        """An operation on random operands; its results compared."""
        self.operands(*OPERANDS[operation])
        await soon(self.source.wait())
        if not auto:
            await self.command(operation)
        self.golden.operate(operation)
        if operation in RESULTS:
            bank = RESULTS[operation]
            if not auto:
                # waits until they are there
                await self.write("start_stream", bank)
            await self.fetched(operation.name, bank, self.golden.results[bank])
        await self.idle()
        self.check_cells(operation.name)

    async def check_counters(self) -> None:
        for n, (name, count) in enumerate(self.golden.counters.items()):
            compare("McuIp", f"counter {name}", count, await self.read("counters", n))

    async def works(self) -> None:
        for operation in Operation.MVM, Operation.OPA, Operation.MTVM:
            await self.operate(operation, auto=False)


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def random_programs_match_golden(dut, paced):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED + paced))
    await ip.begin(0.3 if paced else 0)
    rng, params = ip.rng, ip.params
    auto = 0
    for number in range(ROUNDS):
        if number % 5 == 0:
            await ip.configure()
            # MVM, MTVM, both, none by themselves
            auto = rng.randrange(4)
            await ip.write("control", auto)
            await ip.expect("control", auto)
        operation = Operation(number) if number in list(Operation) else rng.choice([*Operation])
        row = rng.randrange(params.rows)
        if operation is Operation.WRITE:
            await ip.write_row(row, random_cells(params, rng, ip.golden.columns))
            ip.check_cells("WRITE")
            await ip.read_row(row)
        elif operation is Operation.READ:
            await ip.read_row(row)
        else:
            by_itself = operation in RESULTS and auto >> RESULTS[operation] & 1
            await ip.operate(operation, auto=bool(by_itself))
    await ip.check_counters()
    await ip.write("clear_counters", 5)
    ip.golden.clear_counters()
    await ip.check_counters()
    await ip.expect("errors", 0)


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def packets_in_a_row_are_multiplied_one_by_one(dut, paced):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED + paced))
    await ip.begin(0.3 if paced else 0)
    ip.golden.shift[Operation.MVM] = ip.golden.shift[Operation.MTVM] = ip.params.sum_bits // 2
    await ip.write("mvm_shift", ip.params.sum_bits // 2)
    await ip.write("mtvm_shift", ip.params.sum_bits // 2)
    await ip.write("control", 3)
    expected = {bank: [] for bank in OutBank}
    for _ in range(12):
        operation = ip.rng.choice([*RESULTS])
        ip.operands(*OPERANDS[operation])
        ip.golden.operate(operation)
        expected[RESULTS[operation]].append(ip.golden.results[RESULTS[operation]])
    # whatever the order of the two kinds, those of a kind come in their order
    for _ in range(12):
        frame = await soon(ip.sink.recv())
        golden = expected[OutBank(int(frame.tdest))].pop(0)
        words = np.frombuffer(bytes(frame.tdata), "<i2").astype(np.int64)
        compare("McuIp", "results of a packet", golden, words, ("line",))
    await ip.idle()
    await ip.expect("errors", 0)
    assert ip.sink.empty(), "there must be a packet of results for a packet of operands"


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def registers_allow_what_the_table_says(dut):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED))
    await ip.begin()
    mapped = set()
    for register in ip.registers.values():
        for n in range(register.count):
            mapped.add(register.offset + REGISTER_BYTES * n)
            if register.access is not Access.WO and register.name != "cells":
                await ip.expect(register.name, register.reset, n)
        if register.access is Access.WO:
            await ip.read(register.name, error=SLVERR)
        if register.access is Access.RO:
            await ip.write(register.name, 1, error=SLVERR)
        else:
            # part of a register
            address = ip.address(register.name)
            response = await soon(ip.master.write(address, b"\xff\xff"))
            compare("McuIp", f"part of {register.name}", SLVERR, int(response.resp))
            if register.access is not Access.WO and register.name != "cells":
                await ip.expect(register.name, register.reset)
    for address in range(0, 1 << 12, REGISTER_BYTES):
        if address not in mapped and (address < 0x240 or address % 256 == 0):
            for access in (ip.master.read(address, 4), ip.master.write(address, bytes(4))):
                response = await soon(access)
                compare("McuIp", f"no register at {address:#x}", DECERR, int(response.resp))
    compare("McuIp", "identity", IDENTITY, await ip.read("identity"))
    for name in ("control", "interrupt_enable"):
        bits = len(ip.registers[name].fields)
        await ip.write(name, 0xFFFFFFFF)
        await ip.expect(name, (1 << bits) - 1)
        await ip.write(name, 0)
    await ip.expect("errors", 0)
    await ip.expect("interrupt_pending", 0)
    await ip.works()


def error_bit(name: str) -> int:
    return 1 << list(ERRORS).index(name)


def interrupt_bit(name: str) -> int:
    return 1 << list(INTERRUPTS).index(name)


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(paced=[False, True])
async def what_cannot_be_done_is_refused_and_remembered(dut, paced):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED + paced))
    await ip.begin(0.3 if paced else 0)
    params = ip.params
    await ip.write("interrupt_enable", interrupt_bit("error"))

    async def remembered(*names: str) -> None:
        """These errors, and the interrupt; both are gone when cleared, one by one."""
        golden = sum(error_bit(name) for name in names)
        await ip.expect("errors", golden)
        compare("McuIp", "interrupt", 1, read_pin(dut.irq))
        await ip.write("interrupt_pending", 0xFFFFFFFF)
        compare("McuIp", "interrupt after it was cleared", 0, read_pin(dut.irq))
        await ip.write("errors", 0xFFFFFFFF & ~golden)
        await ip.expect("errors", golden)
        await ip.write("errors", golden)
        await ip.expect("errors", 0)

    for name, values in (
        ("rows", (0, params.rows + 1, 1 << 20)), ("columns", (0, params.columns + 1)),
        ("mvm_shift", (params.sum_bits, 1 << 6)), ("mtvm_shift", (params.sum_bits,)),
        ("eager", (2, 1 << 31)),
    ):  # fmt: skip
        before = await ip.read(name)
        for value in values:
            await ip.write(name, value, error=SLVERR)
        await ip.expect(name, before)
        await remembered("configuration")
    for operation, row in (
        (6, 0),
        (7, 0),
        (Operation.READ, params.rows),
        (Operation.WRITE, params.rows),
    ):
        if row < 256:
            await ip.command(operation, row, error=SLVERR)
            await remembered("command")
    if params.columns < 256:
        await ip.write("cell_column", params.columns)
        last = cells_words(params) - 1
        await ip.read("cells", error=SLVERR)
        await ip.write("cells", 1, last, error=SLVERR)
        await ip.expect("cell_column", params.columns)
        await remembered("cells")

    # too much while something goes on
    await ip.works()
    ip.sink.pause = True
    ip.sink.clear_pause_generator()
    await ip.command(Operation.CRS)
    ip.golden.crs()
    await ip.command(Operation.MVM, error=SLVERR)
    await ip.write("rows", 1, error=SLVERR)
    await ip.write("clear_counters", 1, error=SLVERR)
    await ip.read("cells", error=SLVERR)
    await ip.write("cells", 1, cells_words(params) - 1, error=SLVERR)
    await remembered("busy")
    await ip.idle()
    ip.check_cells("refused commands")
    await ip.expect("rows", params.rows)
    # results that are being streamed: their bank waits, the other one does not
    await ip.write("start_stream", OutBank.MVM)
    await ip.write("start_stream", OutBank.MTVM, error=SLVERR)
    await ip.command(Operation.MVM, error=SLVERR)
    await remembered("busy")
    ip.operands(InBank.MTVM)
    await soon(ip.source.wait())
    await ip.command(Operation.MTVM)
    ip.golden.mtvm()
    ip.sink.pause = False
    await ip.fetched("MVM streamed late", OutBank.MVM, ip.golden.results[OutBank.MVM])
    await ip.write("start_stream", OutBank.MTVM)
    await ip.fetched("MTVM", OutBank.MTVM, ip.golden.results[OutBank.MTVM])
    await ip.idle()
    await ip.works()
    await ip.expect("errors", 0)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def results_by_themselves_are_not_lost(dut):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED))
    await ip.begin()
    await ip.write("control", 3)
    ip.sink.pause = True
    results = []
    for operation in (Operation.MVM, Operation.MTVM):
        ip.operands(*OPERANDS[operation])
        ip.golden.operate(operation)
        results.append(ip.golden.results[RESULTS[operation]])
    await soon(ip.source.wait())
    status = ip.registers["status"].field
    golden = status("streaming").mask | status("waiting").mask
    for _ in range(200):
        if await ip.read("status") == golden:
            break
    await ip.expect("status", golden)
    # neither of the two banks may be overwritten, and there are as many results as there were
    for operation in (Operation.MVM, Operation.MTVM):
        await ip.command(operation, error=SLVERR)
    await ip.write("rows", 1, error=SLVERR)
    await ip.expect("errors", error_bit("busy"))
    # the next packets wait in their banks
    for operation in (Operation.MVM, Operation.MTVM, Operation.MVM):
        ip.operands(*OPERANDS[operation])
        ip.golden.operate(operation)
        results.append(ip.golden.results[RESULTS[operation]])
    await ClockCycles(dut.clk, 300)
    ip.sink.pause = False
    banks = (OutBank.MVM, OutBank.MTVM) * 2
    for n, bank in enumerate(banks):
        await ip.fetched(f"packet {n}", bank, results[n])
    await ip.fetched("the last packet", OutBank.MVM, results[4])
    await ip.idle()


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def interrupts_say_what_has_happened(dut):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED))
    await ip.begin()

    async def happens(name: str) -> None:
        """Of all interrupts, this one comes, and can be kept from the pin."""
        bit = interrupt_bit(name)
        for _ in range(400):
            if await ip.read("interrupt_pending") & bit:
                break
        await ip.expect("interrupt_pending", bit)
        for enabled in (0, (1 << len(INTERRUPTS)) - 1 - bit, bit):
            await ip.write("interrupt_enable", enabled)
            compare("McuIp", f"interrupt, {name}", int(enabled == bit), read_pin(dut.irq))
        await ip.write("interrupt_pending", bit)
        compare("McuIp", f"interrupt after {name}", 0, read_pin(dut.irq))
        await ip.expect("interrupt_pending", 0)

    ip.operands(InBank.MVM)
    ip.golden.mvm()
    await happens("packet")
    await ip.command(Operation.MVM)
    await happens("done")
    await ip.write("start_stream", OutBank.MVM)
    await ip.fetched("MVM", OutBank.MVM, ip.golden.results[OutBank.MVM])
    await happens("streamed")
    await ip.command(7, error=SLVERR)
    await happens("error")


async def send_beat(dut, bank: int, words: list[int], *, last: bool, keep: int = 0xFF) -> None:
    """A beat by hand."""
    await FallingEdge(dut.clk)
    dut.s_axis_tdata.value = sum((int(word) & 0xFFFF) << 16 * n for n, word in enumerate(words))
    dut.s_axis_tkeep.value = keep
    dut.s_axis_tdest.value = bank
    dut.s_axis_tlast.value = int(last)
    dut.s_axis_tvalid.value = 1
    for _ in range(2000):
        await RisingEdge(dut.clk)
        if read_pin(dut.s_axis_tready):
            break
    else:
        raise AssertionError("a beat must be taken")
    await FallingEdge(dut.clk)
    dut.s_axis_tvalid.value = 0


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def packets_of_any_shape_fill_their_bank(dut):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED))
    await ip.begin()
    rng, golden, params = ip.rng, ip.golden, ip.params
    for number in range(12):
        # packets of all banks at once, beat by beat in any order, of one to four words a beat
        left = {}
        for bank in InBank:
            lines = len(golden.operands[bank])
            count = rng.choice((lines, lines, rng.randint(1, lines)))
            left[bank] = list(random_words(params, rng, count))
            golden.operands[bank] = golden.operands[bank].copy()
            golden.operands[bank][:count] = left[bank]
        too_long = rng.choice([*InBank]) if number % 2 else None
        if too_long is not None:
            lines = len(golden.operands[too_long])
            # so long that a number of a line would begin anew
            extra = 300 if number % 4 == 3 else rng.randint(1, 9)
            words = list(random_words(params, rng, lines + extra))
            left[too_long] = words
            golden.operands[too_long] = np.array(words[:lines])
        while left:
            bank = rng.choice(list(left))
            count = rng.choice((4, rng.randint(1, 4), 0))
            words, left[bank] = left[bank][:count], left[bank][count:]
            # the last beat may be empty
            last = not left[bank] and rng.random() < 0.7
            keep = (1 << 2 * len(words)) - 1
            # words behind the first one that is missing do not count, nor do halves
            spoilt = rng.choice((0, 0xAA)) << 2 * len(words) & 0xFF
            junk = [*words, *random_words(params, rng, 4 - len(words))]
            await send_beat(dut, bank, junk, last=last, keep=keep | spoilt)
            if last:
                del left[bank]
        await ip.expect("errors", 0 if too_long is None else error_bit("packet"))
        await ip.write("errors", error_bit("packet"))
        for operation in (Operation.MVM, Operation.MTVM, Operation.OPA):
            await ip.command(operation)
            golden.operate(operation)
            if operation in RESULTS:
                bank = RESULTS[operation]
                await ip.write("start_stream", bank)
                await ip.fetched(f"{operation.name} {number}", bank, golden.results[bank])
            await ip.idle()
        ip.check_cells(f"OPA {number}")


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def a_packet_that_is_too_long_starts_nothing(dut):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED))
    await ip.begin()
    await ip.write("control", 3)
    for by_hand in (False, True):
        for bank in (InBank.MVM, InBank.MTVM):
            lines = len(ip.golden.operands[bank])
            words = random_words(ip.params, ip.rng, lines + 1)
            ip.golden.operands[bank] = words[:lines]
            if by_hand:
                # what is too much is not in the last beat, which is empty
                for n in range(0, lines + 1, 4):
                    beat = list(words[n : n + 4])
                    keep = (1 << 2 * len(beat)) - 1
                    await send_beat(dut, bank, beat, last=False, keep=keep)
                await send_beat(dut, bank, [], last=True, keep=0)
            else:
                ip.send(bank, words)
        await soon(ip.source.wait())
        await ClockCycles(dut.clk, 50)
        await ip.expect("status", 0)
        await ip.expect("errors", error_bit("packet"))
        await ip.write("errors", error_bit("packet"))
        await ip.operate(Operation.MVM, auto=True)
        await ip.operate(Operation.MTVM, auto=True)
    assert ip.sink.empty(), "there must be no more results"


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def streams_move_a_beat_a_cycle(dut):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED))
    await ip.begin()
    params = ip.params
    await ip.write("control", 1)
    beats = {"s_axis": -(-params.rows // 4), "m_axis": -(-params.columns // 4)}
    taken = {name: [] for name in beats}
    ip.operands(InBank.MVM)
    ip.golden.mvm()
    for cycle in range(6000):
        await RisingEdge(dut.clk)
        for name, cycles in taken.items():
            if read_pin(getattr(dut, f"{name}_tvalid")) and read_pin(
                getattr(dut, f"{name}_tready")
            ):
                cycles.append(cycle)
        if len(taken["m_axis"]) == beats["m_axis"]:
            break
    for name, cycles in taken.items():
        golden = list(range(cycles[0], cycles[0] + beats[name]))
        compare("McuIp", f"cycles of the beats of {name}", golden, cycles, ("beat",))
    per_slice, timing = params.adc.per_slice, params.timing.integrate_cycles
    groups = -(-params.columns // per_slice)
    mvm = (params.operand_bits - 1) * max(groups, timing + 2) + groups + timing + 8
    latency = taken["m_axis"][0] - taken["s_axis"][-1]
    compare("McuIp", "cycles from the last operand to the first result", mvm + 4, latency)
    await ip.fetched("MVM", OutBank.MVM, ip.golden.results[OutBank.MVM])


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def a_reset_ends_whatever_goes_on(dut):
    ip = Ip(dut, random.Random(cocotb.RANDOM_SEED))
    await ip.begin()
    for number in range(8):
        await ip.write("control", 3)
        await ip.write("interrupt_enable", 15)
        ip.sink.pause = bool(number % 2)
        ip.send(InBank.MVM, random_words(ip.params, ip.rng, ip.params.rows))
        ip.send(InBank.OPA_ROWS, random_words(ip.params, ip.rng, ip.params.rows + 9))
        ip.send(InBank.MVM, random_words(ip.params, ip.rng, ip.params.rows))
        await ClockCycles(dut.clk, ip.rng.choice((3, 20, 200, ip.rng.randint(1, 300))))
        await FallingEdge(dut.clk)
        dut.rst.value = 1
        ip.source.clear()
        await ClockCycles(dut.clk, 3)
        await FallingEdge(dut.clk)
        ip.sink.clear()
        ip.sink.pause = False
        for name in ("irq", "s_axil_bvalid", "s_axil_rvalid", "m_axis_tvalid"):
            compare("McuIp", f"{name} in reset", 0, read_pin(getattr(dut, name)))
        dut.rst.value = 0
        await ClockCycles(dut.clk, 2)
        for register in ip.registers.values():
            if register.access is not Access.WO and register.name != "cells":
                await ip.expect(register.name, register.reset)
        # XbarIn has no operands any more, and the cells are whatever they are
        golden = Golden(ip.params, ip.array.cells, ip.array.copies)
        ip.golden = golden
        await ip.works()
    await ip.expect("errors", 0)
