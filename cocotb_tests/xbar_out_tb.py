"""XbarOut against two vectors of plain integers, written while locked and read with pauses."""

import random

import cocotb
from amaranth import signed
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import parameters
from cocotb_tests.drivers import Pauses, corner, pack, start, unpack
from cocotb_tests.pins import compare_pins, read
from hdl.analog import groups
from hdl.mcu.adc_control import tag_layout
from hdl.mcu.xbar_out import READ_PORTS, results_layout
from panther.arch.mcu import LANES, OUT_BANK_BITS, OutBank

CYCLES = 1200
INPUTS = ("write", "write_bank", "write_tag", "write_word", "locked")


class Port:
    """One of the two read ports, and what it must say."""

    def __init__(self, dut, number: int) -> None:
        self.request: tuple[OutBank, int] | None = None
        # the words on the output, as far as they are defined
        self.waiting: list[int] | None = None
        for name in ("i_valid", "i_ready", "i_payload", "o_valid", "o_ready", "o_payload"):
            side, signal = name.split("_")
            setattr(self, name, getattr(dut, f"{side}__{number}__{signal}"))
        for handle in (self.i_valid, self.i_payload, self.o_ready):
            handle.value = 0


class Bench:
    """Writes line groups and asks for words, and knows what every pin must be in every cycle."""

    def __init__(self, dut, rng: random.Random, pauses: str) -> None:
        self.dut, self.rng = dut, rng
        self.params = params = parameters()
        self.source = Pauses(rng, 0.4 if pauses in ("source", "both") else 0.0)
        self.sink = Pauses(rng, 0.4 if pauses in ("sink", "both") else 0.0)
        self.lanes, self.groups = params.adc.per_slice, groups(params)
        self.lines = {OutBank.MVM: params.columns, OutBank.MTVM: params.rows}
        # what was written past the end of a bank need not be kept
        self.words = {bank: [0] * lines for bank, lines in self.lines.items()}
        self.ports = [Port(dut, number) for number in range(READ_PORTS)]
        self.cycle = 0

    def write(self, bank: OutBank, group: int, *, whole: bool = False) -> None:
        """Store random words in this cycle, in some lanes or in the ``whole`` group."""
        dut, rng, bits = self.dut, self.rng, self.params.operand_bits
        half = 1 << (bits - 1)
        words = [corner(rng, -half, half - 1) for _ in range(self.lanes)]
        every = (1 << self.lanes) - 1
        in_use = every if whole else rng.choice((every, rng.getrandbits(self.lanes)))
        tag = {"index": group, "lanes": in_use, "end": rng.randrange(2)}
        dut.write.value, dut.write_bank.value = 1, bank
        dut.write_tag.value = pack(tag_layout(self.params), tag)
        dut.write_word.value = pack(data.ArrayLayout(signed(bits), self.lanes), words)
        for lane, word in enumerate(words):
            line = group * self.lanes + lane
            if in_use >> lane & 1 and line < self.lines[bank]:
                self.words[bank][line] = word

    def next_request(self) -> tuple[OutBank, int]:
        bank = OutBank(self.rng.randrange(2))
        lines = self.lines[bank]
        if lines < 256 and self.rng.random() < 0.2:
            return bank, self.rng.choice((lines, 255, self.rng.randrange(lines, 256)))
        return bank, self.rng.choice((0, lines - 1, lines - LANES, self.rng.randrange(lines)))

    async def tick(self, *, locked: int = 0, ask: bool = True) -> None:
        """One cycle."""
        dut, where = self.dut, f"cycle {self.cycle}"
        dut.locked.value = locked
        asked = []
        for port in self.ports:
            if ask and port.request is None and not self.source:
                port.request = self.next_request()
            bank, index = port.request or self.next_request()
            ready = not self.sink
            port.i_valid.value = port.request is not None
            port.i_payload.value = bank | index << OUT_BANK_BITS
            port.o_ready.value = ready
            asked.append((bank, index, ready))
        await RisingEdge(dut.clk)
        dropped = False
        for number, (port, (bank, index, ready)) in enumerate(zip(self.ports, asked, strict=True)):
            free = (port.waiting is None or ready) and not locked >> bank & 1
            taken = free and port.request is not None
            dropped |= taken and index >= self.lines[bank]
            told = f"{where}, port {number}"
            compare("XbarOut", f"{told}, ready", int(free), read(port.i_ready))
            compare("XbarOut", f"{told}, valid", int(port.waiting is not None), read(port.o_valid))
            if port.waiting is not None:
                rtl = unpack(results_layout(self.params), port.o_payload)
                for lane, golden in enumerate(port.waiting):
                    compare("XbarOut", f"{told}, word {lane}", golden, rtl[lane])
            if taken:
                port.waiting = self.words[bank][index : index + LANES]
                port.request = None
            elif ready:
                port.waiting = None
        compare_pins("XbarOut", where, dut, dropped=dropped)
        await FallingEdge(dut.clk)
        dut.write.value = 0
        self.cycle += 1

    async def fill(self) -> None:
        for bank in OutBank:
            for group in range(self.groups):
                self.write(bank, group, whole=True)
                await self.tick(locked=3, ask=False)


@cocotb.test()
@cocotb.parametrize(pauses=["none", "source", "sink", "both"])
async def words_written_are_read(dut, pauses):
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, rng, pauses)
    await start(dut, *INPUTS)
    await bench.fill()
    locked = 0
    for _ in range(CYCLES):
        if rng.random() < 0.1:
            locked = rng.choice((0, 0, 1, 2, 3))
        # an operation writes the banks it has locked, while words read before may still wait
        written = [bank for bank in OutBank if locked >> bank & 1]
        if written and rng.random() < 0.6:
            bench.write(rng.choice(written), rng.randrange(bench.groups))
        await bench.tick(locked=locked)


@cocotb.test()
async def reset_drops_a_waiting_word(dut):
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED), "none")
    await start(dut, *INPUTS)
    await bench.fill()
    for _ in range(5):
        await bench.tick()
    dut.rst.value = 1
    for port in bench.ports:
        port.i_valid.value, port.o_ready.value = 0, 0
        port.waiting = None
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(20):
        await bench.tick()
