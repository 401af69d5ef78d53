"""A node through its AXI ports: everything a host may do, and much of what it may not."""

import logging
import random
from itertools import product

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiMaster

from cocotb_tests.analog_bridge import AnalogBridge
from cocotb_tests.axi_channels import pause_at_random
from cocotb_tests.bus_master import agree
from cocotb_tests.compare import compare
from cocotb_tests.designs import node_parameters
from cocotb_tests.drivers import PERIOD_NS, start
from cocotb_tests.pins import read
from hdl.host.bus import BusError
from models.analog.array import IdealArray
from panther.arch.core import Fault
from panther.arch.node_registers import (
    CELLS,
    PAGE_BYTES,
    PROGRAM,
    STATES,
    TILE_BYTES,
    WORDS,
    control_bits,
    memory_address,
    node_address,
    node_registers,
    tile_address,
    tile_registers,
    unit_address,
)
from panther.arch.registers import Access
from panther.arch.tile import SEQUENCER, TileFault, counter_names
from panther.asm import assemble_text

OKAY, SLVERR, DECERR = BusError
PATIENCE_NS = 60_000 * PERIOD_NS
INPUTS = (
    *(f"s_axil_{name}" for name in ("awvalid", "wvalid", "bready", "arvalid", "rready")),
    *(f"s_axi_{name}" for name in ("awvalid", "wvalid", "bready", "arvalid", "rready")),
)
ENDLESS = "again: jmp again"

for _noisy in ("cocotb.bench.s_axi", "cocotb.bench.s_axil", "cocotb.bench"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)


class Host:
    """A host of the node, and the arrays behind its matrix units."""

    def __init__(self, dut):
        self.dut = dut
        self.params = node_parameters()
        self.rng = random.Random(cocotb.RANDOM_SEED)
        mcu = self.params.tile.core.mcu
        self.bits = mcu.slices.cell_bits
        cores = self.params.tiles * self.params.tile.cores
        self.arrays = [IdealArray(mcu) for _ in range(cores * self.params.tile.core.mcus)]
        self.last = self.params.tiles - 1
        """Number of the last tile."""

    async def begin(self):
        dut = self.dut
        await start(dut, *INPUTS)
        for n, array in enumerate(self.arrays):
            bridge = AnalogBridge(getattr(dut, f"unit{n}"), self.params.tile.core.mcu, array)
            cocotb.start_soon(bridge.serve())
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.memory = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        writer, reader = self.memory.write_if, self.memory.read_if
        channels = (writer.aw_channel, writer.w_channel, writer.b_channel, reader.ar_channel,
                    reader.r_channel)  # fmt: skip
        pause_at_random(channels, self.rng, 0.2)

    async def soon(self, awaitable):
        return await with_timeout(awaitable, PATIENCE_NS, "ns")

    # control registers

    async def get(self, address):
        """Value and error."""
        done = await self.soon(self.control.read(address, 4))
        return int.from_bytes(done.data, "little"), int(done.resp)

    async def put(self, address, value):
        """Error."""
        done = await self.soon(self.control.write(address, value.to_bytes(4, "little")))
        return int(done.resp)

    async def value(self, address):
        value, error = await self.get(address)
        agree("node", f"error at {address:#x}", OKAY, error)
        return value

    async def set(self, address, value):
        agree("node", f"error at {address:#x}", OKAY, await self.put(address, value))

    # memories

    async def write(self, address, words):
        """Write words of 64 bits; returns the error."""
        data = b"".join(int(word).to_bytes(8, "little") for word in words)
        done = await self.soon(self.memory.write(address, data))
        return int(done.resp)

    async def read(self, address, count=1):
        """Words of 64 bits, and the error."""
        done = await self.soon(self.memory.read(address, 8 * count))
        data = [int.from_bytes(done.data[8 * n : 8 * n + 8], "little") for n in range(count)]
        return data, int(done.resp)

    async def expect(self, what, words, address):
        """Words of 64 bits must be these."""
        data, error = await self.read(address, len(words))
        agree("node", f"error of a read of {what}", OKAY, error)
        compare("node", what, words, data, ("word",))

    async def load(self, tile, unit, text):
        """Put a program into a unit's memory."""
        words = assemble_text(text, self.params.tile.core).words
        error = await self.write(memory_address(tile, PROGRAM, unit, 0), words)
        agree("node", f"error of a program for unit {unit} of tile {tile}", OKAY, error)

    async def store(self, tile, word, values):
        """Put 16-bit words into a tile's memory."""
        text = np.asarray(values, np.int16).tobytes()
        done = await self.soon(self.memory.write(memory_address(tile, WORDS, 0) + 2 * word, text))
        agree("node", "error of a write of words", OKAY, int(done.resp))

    async def words(self, tile, word, count):
        address = memory_address(tile, WORDS, 0) + 2 * word
        done = await self.soon(self.memory.read(address, 2 * count))
        agree("node", "error of a read of words", OKAY, int(done.resp))
        return np.frombuffer(bytes(done.data), np.int16)

    def packed(self, cells):
        """A weight's cells as a word."""
        word = offset = 0
        for value, bits in zip(cells, self.bits, strict=True):
            word |= (int(value) & (1 << bits) - 1) << offset
            offset += bits
        return word

    # runs

    async def start(self, tile, *units, pc=0):
        for unit in units:
            await self.set(unit_address(tile, unit, "start_pc"), pc)
        await self.set(tile_address(tile, "arm"), sum(1 << unit for unit in units))

    async def go(self):
        await self.set(node_address("start"), 1)

    async def status(self, tile, unit):
        """Running, held, fault, pc."""
        value = await self.value(unit_address(tile, unit, "status"))
        return value & 1, value >> 1 & 1, value >> 8 & 31, value >> 16 & 0x3FFF

    async def execute(self, tile, core, text):
        """Have a core carry out an instruction; returns error, fault and scalar."""
        (word,) = assemble_text(text, self.params.tile.core).words
        await self.set(unit_address(tile, core, "execute_low"), word & 0xFFFFFFFF)
        if error := await self.put(unit_address(tile, core, "execute_high"), word >> 32):
            return error, None, None
        while (status := await self.value(unit_address(tile, core, "execute_status"))) & 1:
            pass
        value = await self.value(unit_address(tile, core, "scalar"))
        return OKAY, status >> 8, value

    async def interrupted(self, tile, halts=(), faults=()):
        """Wait until these and no other units have raised interrupts; clear them."""
        mask = sum(1 << unit for unit in halts) | sum(1 << 16 + unit for unit in faults)
        for _ in range(400):
            pending = await self.value(tile_address(tile, "interrupt"))
            if pending == mask:
                break
            assert pending | mask == mask, f"Interrupts must be {mask:#x}, not {pending:#x}"
        agree("node", f"interrupts of tile {tile}", mask, pending)
        await self.set(tile_address(tile, "interrupt"), mask)


async def host_of(dut):
    host = Host(dut)
    await host.begin()
    return host


@cocotb.test()
async def every_register_answers(dut):
    host = await host_of(dut)
    pages = [(0, node_registers(host.params))]
    pages += [(1 + tile, tile_registers(host.params)) for tile in range(host.params.tiles)]
    for page, registers in pages:
        words = {}
        for register in registers:
            for index in range(register.count):
                words[register.offset + 4 * index] = register
        for register in registers:
            words.setdefault(register.end)
        words.setdefault(PAGE_BYTES - 4)
        for offset, register in words.items():
            address = PAGE_BYTES * page + offset
            value, error = await host.get(address)
            if register is None:
                agree("node", f"read of {address:#x}", DECERR, error)
                error = await host.put(address, 0)
                agree("node", f"write of {address:#x}", DECERR, error)
                continue
            readable, writable = register.access.readable, register.access.writable
            agree("node", f"read of {register.name}", OKAY if readable else SLVERR, error)
            if readable and register.name not in ("cell_bits", "counter"):
                agree("node", f"reset value of {register.name}", register.reset, value)
            if register.access is not Access.WO:
                error = await host.put(address, 0)
                agree("node", f"write of {register.name}", OKAY if writable else SLVERR, error)
    for page in range(1 + host.params.tiles, 1 << control_bits(host.params) - 12):
        agree("node", f"page {page}", DECERR, (await host.get(PAGE_BYTES * page))[1])


@cocotb.test()
async def program_runs_from_words_to_words(dut):
    """Weights, programs and words go in; a product, sent to the last tile, comes out."""
    host = await host_of(dut)
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    mcu, last = host.params.tile.core.mcu, host.last
    ranges = [mcu.slices.cell_range(k) for k in range(mcu.slices.count)]
    cells = np.stack(
        [rng.integers(low, high + 1, (mcu.rows, mcu.columns)) for low, high in ranges], axis=-1
    )
    for row in range(mcu.rows):
        words = [host.packed(cells[row, column]) for column in range(mcu.columns)]
        error = await host.write(memory_address(0, CELLS, 0, 0, row, 0), words)
        agree("node", f"error of cells of row {row}", OKAY, error)
    compare("node", "cells of the array", np.moveaxis(cells, -1, 0), host.arrays[0].cells,
            ("slice", "row", "column"))  # fmt: skip
    for row in range(mcu.rows):
        expected = [host.packed(cells[row, column]) for column in range(mcu.columns)]
        await host.expect(f"cells of row {row}", expected, memory_address(0, CELLS, 0, 0, row, 0))

    first = """
        ld m0.mvm_in, s0, 0, 4
        mcu m0:mvm
        vi.add r0, m0.mvm_out, 1, 4
        st r0, s0, 8, 4, send_unit
    """
    second = """
        ld r8, s0, 16, 4, take
        vi.add r8, r8, 5, 4
        st r8, s0, 24, 4, plain
        hlt
    """
    send, receive = f"send s0, 8, 4, {last}, 0\n", "recv s0, 16, 4, 0, core0\nhlt"
    if last:
        await host.load(0, 0, first + "hlt")
        await host.load(0, SEQUENCER, send + "hlt")
        await host.load(last, 0, second)
        await host.load(last, SEQUENCER, receive)
    else:
        await host.load(0, 0, first + second)
        await host.load(0, SEQUENCER, send + receive)
    x = rng.integers(-10, 11, mcu.rows)
    await host.store(0, 0, x)
    used = {0, last}
    for tile in used:
        await host.start(tile, 0, SEQUENCER)
        await host.set(tile_address(tile, "interrupt_enable"), 1 << SEQUENCER | 1)
    agree("node", "interrupt pin before", 0, read(dut.irq))
    await host.set(node_address("clear_counters"), 1)
    await host.go()
    for _ in range(4000):
        await FallingEdge(dut.clk)
        if read(dut.irq):
            break
    agree("node", "interrupt pin", 1, read(dut.irq))
    for tile in used:
        await host.interrupted(tile, halts=(0, SEQUENCER))
    await ClockCycles(dut.clk, 4)
    agree("node", "interrupt pin after", 0, read(dut.irq))
    weights = sum(cells[..., k] << k * mcu.slices.value_bits for k in range(mcu.slices.count))
    compare("node", "result", x @ weights + 6, await host.words(last, 24, 4), ("word",))

    # what the run left behind
    await host.expect("state of what was taken", [0], memory_address(0, STATES, 2))
    await host.expect("state of the result", [1], memory_address(last, STATES, 6))
    names = counter_names(host.params.tile)
    counts = {name: await host.value(tile_address(0, "counter", n)) for n, name in enumerate(names)}
    agree("node", "rows sent", 1, counts["sent"])
    assert counts["core0.m0.busy"] > 20
    assert counts["core0.running"] > counts["core0.m0.busy"]
    sent = await host.value(tile_address(0, "router_counter", 4 if last else 0))
    # east to the last tile, or to itself: the row; and to itself the credit
    agree("node", "flits of the router", 1 if last else 2, sent)
    await host.set(node_address("clear_counters"), 1)
    for index in range(len(names)):
        agree("node", "counter", 0, await host.value(tile_address(0, "counter", index)))
    agree("node", "active", 0, await host.value(node_address("active")))


@cocotb.test()
async def cells_keep_what_is_not_written(dut):
    host = await host_of(dut)
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    mcu = host.params.tile.core.mcu
    unit = host.params.tiles * host.params.tile.cores * host.params.tile.core.mcus - 1
    array = host.arrays[unit]
    shape = (mcu.slices.count, mcu.rows, mcu.columns)
    array.cells = expected = rng.integers(-4, 4, shape, np.int16).copy()
    tile, core = divmod(unit // host.params.tile.core.mcus, host.params.tile.cores)
    m = host.params.tile.core.mcus - 1
    place = tile, CELLS, core, m
    await host.set(node_address("clear_counters"), 1)
    for row, column in product(range(mcu.rows), range(mcu.columns)):
        cells = rng.integers(-4, 4, mcu.slices.count)
        expected[:, row, column] = cells
        error = await host.write(memory_address(*place, row, column), [host.packed(cells)])
        agree("node", "error", OKAY, error)
        compare("node", f"cells after row {row}, column {column}", expected, array.cells,
                ("slice", "row", "column"))  # fmt: skip
    names = counter_names(host.params.tile)
    reads, writes, converted = [
        await host.value(tile_address(tile, "counter", names.index(f"core{core}.m{m}.{name}")))
        for name in ("row_reads", "row_writes", "conversions")
    ]
    agree("node", "rows written", mcu.rows * mcu.columns, writes)
    agree("node", "conversions of rows", 0, converted)
    assert mcu.rows <= reads <= writes


@cocotb.test()
async def core_is_held_stepped_and_asked(dut):
    host = await host_of(dut)
    tile = host.last
    await host.load(tile, 0, "sset s1, 5\nsadd s1, s1, 7\nsadd s2, s1, 100\nhlt")
    await host.set(tile_address(tile, "hold"), 1)
    await host.start(tile, 0)
    await host.go()
    agree("node", "held before the first", (0, 1, 0, 0), await host.status(tile, 0))
    agree("node", "held", 1, await host.value(tile_address(tile, "held")))
    for pc, value in ((1, 5), (2, 12)):
        await host.set(tile_address(tile, "step"), 1)
        agree("node", f"held at {pc}", (0, 1, 0, pc), await host.status(tile, 0))
        agree(
            "node", f"s1 at {pc}", (OKAY, 0, value), await host.execute(tile, 0, "sadd s0, s1, 0")
        )
    agree("node", "s1 changed", (OKAY, 0, 40), await host.execute(tile, 0, "sset s1, 40"))
    agree("node", "no such instruction", (OKAY, Fault.ILLEGAL),
            (await host.execute(tile, 0, "jmp 0"))[:2])  # fmt: skip
    assert await host.value(node_address("active", tile // 32)) == 1 << tile % 32
    await host.set(tile_address(tile, "hold"), 0)
    await host.interrupted(tile, halts=(0,))
    agree("node", "s2", (OKAY, 0, 140), await host.execute(tile, 0, "sadd s0, s2, 0"))
    agree("node", "negative", (OKAY, 0, 0xFFFFFFFE), await host.execute(tile, 0, "sset s0, -2"))
    # registers and memory by way of instructions
    await host.store(tile, 4, [11, -12, 13, -14])
    assert (await host.execute(tile, 0, "ld r0, s0, 4, 4"))[:2] == (OKAY, 0)
    assert (await host.execute(tile, 0, "st r0, s0, 8, 4, plain"))[:2] == (OKAY, 0)
    compare("node", "words", [11, -12, 13, -14], await host.words(tile, 8, 4), ("word",))


@cocotb.test()
async def core_that_runs_is_left_alone(dut):
    host = await host_of(dut)
    tile = host.last
    program, cells = memory_address(tile, PROGRAM, 0, 0), memory_address(tile, CELLS, 0, 0, 0, 0)
    await host.load(tile, 0, ENDLESS)
    await host.start(tile, 0)
    await host.go()
    agree("node", "running", (1, 0, 0), (await host.status(tile, 0))[:3])
    agree("node", "a program of a core that runs", SLVERR, await host.write(program, [1]))
    agree("node", "cells of a core that runs", SLVERR, (await host.read(cells))[1])
    agree("node", "cells of a core that runs", SLVERR, await host.write(cells, [1]))
    error, *_ = await host.execute(tile, 0, "nop")
    agree("node", "an instruction for a core that runs", SLVERR, error)
    # its memory, and the sequencer's program, are free
    await host.store(tile, 0, range(8))
    compare("node", "words", range(8), await host.words(tile, 0, 8), ("word",))
    await host.load(tile, SEQUENCER, "hlt")

    await host.set(tile_address(tile, "reset"), 1)
    for what, error in (
        ("program", await host.write(program, [1])),
        ("cells", (await host.read(cells))[1]),
        ("cells", await host.write(cells, [1])),
        ("instruction", (await host.execute(tile, 0, "nop"))[0]),
    ):
        agree("node", f"{what} of a core in reset", SLVERR, error)
    agree("node", "status in reset", (0, 0, 0, 0), await host.status(tile, 0))
    await host.set(tile_address(tile, "reset"), 0)
    await host.set(tile_address(tile, "arm"), 0)
    agree("node", "interrupts", 0, await host.value(tile_address(tile, "interrupt")))
    agree("node", "cells", OKAY, (await host.read(cells))[1])
    # the program has survived
    await host.start(tile, 0)
    await host.go()
    agree("node", "running again", (1, 0, 0), (await host.status(tile, 0))[:3])
    await host.set(tile_address(tile, "reset"), 1)


@cocotb.test()
async def fault_is_reported(dut):
    host = await host_of(dut)
    tile = host.last
    await host.set(tile_address(tile, "interrupt_enable"), 0x1FF << 16)
    await host.load(tile, 0, "nop\nnop\nld r0, s0, 2000, 4\nhlt")
    (empty,) = assemble_text("hlt", host.params.tile.core).words
    error = await host.write(memory_address(tile, PROGRAM, SEQUENCER, 0), [empty, 0])
    agree("node", "error", OKAY, error)
    await host.start(tile, 0, SEQUENCER)
    await host.set(unit_address(tile, SEQUENCER, "start_pc"), 1)
    await host.go()
    await host.interrupted(tile, faults=(0, SEQUENCER))
    agree("node", "core", (0, 0, Fault.MEMORY, 2), await host.status(tile, 0))
    agree("node", "sequencer", (0, 0, TileFault.ILLEGAL, 1), await host.status(tile, SEQUENCER))
    agree("node", "cycle of the fault", 5, await host.value(unit_address(tile, 0, "cycle")))
    agree("node", "summary", 0, await host.value(node_address("interrupt", tile // 32)))


@cocotb.test()
async def what_is_not_there_is_not_answered_for(dut):
    host = await host_of(dut)
    tile, params = host.last, host.params.tile
    for address in (
        memory_address(tile, WORDS, params.groups),
        memory_address(tile, STATES, params.groups),
        memory_address(tile, PROGRAM, params.cores, 0),
        memory_address(tile, PROGRAM, 0, params.core.instructions),
        memory_address(tile, CELLS, params.cores, 0, 0, 0),
        memory_address(tile, CELLS, 0, params.core.mcus, 0, 0),
        memory_address(tile, CELLS, 0, 0, params.core.mcu.rows, 0),
        memory_address(tile, CELLS, 0, 0, 0, params.core.mcu.columns),
        memory_address(tile, WORDS, 0) + TILE_BYTES // 4,
    ):
        agree("node", f"read of {address:#x}", DECERR, (await host.read(address))[1])
        agree("node", f"write of {address:#x}", DECERR, await host.write(address, [1]))
    agree("node", "read of a program", SLVERR,
            (await host.read(memory_address(tile, PROGRAM, 0, 0)))[1])  # fmt: skip
    # half a word, part of a state
    await host.store(tile, 0, [1, 2, 3, 4])
    for address, count in ((memory_address(tile, WORDS, 0) + 2, 1),
                           (memory_address(tile, STATES, 0), 2)):  # fmt: skip
        done = await host.soon(host.memory.write(address, bytes(count)))
        agree("node", f"{count} bytes at {address:#x}", SLVERR, int(done.resp))
    compare("node", "words", [1, 2, 3, 4], await host.words(tile, 0, 4), ("word",))
    await host.expect("state", [1], memory_address(tile, STATES, 0))
    # the last word of a burst lies past the end: the others are written
    error = await host.write(memory_address(tile, WORDS, params.groups - 1), [7, 8])
    agree("node", "burst across the end", DECERR, error)
    await host.expect("last word", [7], memory_address(tile, WORDS, params.groups - 1))


@cocotb.test()
async def both_ways_work_at_the_same_time(dut):
    host = await host_of(dut)
    rng = random.Random(cocotb.RANDOM_SEED)
    tiles = range(host.params.tiles)

    async def memories():
        model = {}
        for _ in range(80):
            tile, group = rng.choice(tiles), rng.randrange(host.params.tile.groups - 3)
            address, count = memory_address(tile, WORDS, group), rng.randint(1, 4)
            places = [(tile, group + n) for n in range(count)]
            if rng.random() < 0.5:
                words = [rng.getrandbits(64) for _ in range(count)]
                agree("node", "error", OKAY, await host.write(address, words))
                model |= dict(zip(places, words, strict=True))
            else:
                words, error = await host.read(address, count)
                agree("node", "error", OKAY, error)
                for place, word in zip(places, words, strict=True):
                    agree("node", f"group {place}", model.get(place, word), word)
        return len(model)

    async def registers():
        model = {}
        for _ in range(80):
            address = unit_address(rng.choice(tiles), rng.choice((0, SEQUENCER)), "start_pc")
            if rng.random() < 0.5:
                model[address] = value = rng.getrandbits(13)
                await host.set(address, value)
            else:
                agree("node", "start_pc", model.get(address, 0), await host.value(address))
        return len(model)

    both = [cocotb.start_soon(memories()), cocotb.start_soon(registers())]
    assert all([await task for task in both])
