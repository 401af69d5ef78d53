"""NodeControl against the table of registers and the node's parameters."""

import random

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge

from cocotb_tests.bus_master import BusMaster, agree
from cocotb_tests.designs import node_parameters
from cocotb_tests.drivers import corner, start
from cocotb_tests.pins import compare_pins, read
from hdl.host.bus import BusError, BusSignature
from hdl.host.tile_control import PAGE_BITS
from panther.arch.node_registers import PAGE_BYTES, TILES_PER_WORD, node_registers
from panther.arch.registers import Access

PULSES = ("start", "clear_counters")


async def ready(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    await start(
        dut, "bus__request__valid", "bus__request__payload", "tile_interrupt", "tile_active"
    )
    return rng, BusMaster(dut, BusSignature(address_bits=PAGE_BITS, data_bits=32), rng)


def constants(params):
    """What the node says of itself, written out by hand."""
    tile, core, mcu = params.tile, params.tile.core, params.tile.core.mcu
    return {
        "magic": [0x504E5448],
        "version": [2 << 16],
        "mesh": [params.height << 16 | params.width],
        "units": [tile.fifo_rows << 24 | tile.fifos << 16 | core.mcus << 8 | tile.cores],
        "crossbar": [mcu.columns << 16 | mcu.rows],
        "slices": [mcu.slices.value_bits << 8 | mcu.slices.count],
        "core_sizes": [core.registers << 16 | core.instructions],
        "tile_sizes": [tile.instructions],
        "memory_size": [tile.groups],
        "cell_bits": list(mcu.slices.cell_bits),
    }


@cocotb.test()
async def every_address_answers(dut):
    params = node_parameters()
    rng, bus = await ready(dut)
    known = constants(params)
    words = {}
    for register in node_registers(params):
        for index in range(register.count):
            words[register.offset + 4 * index] = register, index
    for address in range(0, PAGE_BYTES, 4):
        if address not in words:
            if address < 0x200 or rng.random() < 0.1:
                agree("node control", f"read of {address:#x}", BusError.DECERR,
                        (await bus.read(address))[1])  # fmt: skip
                agree("node control", f"write of {address:#x}", BusError.DECERR,
                        await bus.write(address, 1))  # fmt: skip
            continue
        register, index = words[address]
        if register.access is Access.RO:
            expected = known.get(register.name, [0] * register.count)[index]
            agree("node control", register.name, (expected, BusError.OKAY),
                    await bus.read(address))  # fmt: skip
            error = await bus.write(address, rng.getrandbits(32))
            agree("node control", f"write of {register.name}", BusError.SLVERR, error)
        else:
            agree("node control", f"read of {register.name}", BusError.SLVERR,
                    (await bus.read(address))[1])  # fmt: skip
    assert len(known["cell_bits"]) == params.tile.core.mcu.slices.count


@cocotb.test()
async def pulses_last_one_cycle(dut):
    rng, bus = await ready(dut)
    seen = {name: 0 for name in PULSES}

    async def watch():
        while True:
            await FallingEdge(dut.clk)
            seen["start"] += read(dut.start_armed)
            seen["clear_counters"] += read(dut.clear_counters)

    cocotb.start_soon(watch())
    offsets = {register.name: register.offset for register in node_registers(node_parameters())}
    expected = dict.fromkeys(PULSES, 0)
    for _ in range(60):
        name = rng.choice(PULSES)
        data, strobe = corner(rng, 0, (1 << 32) - 1), rng.choice((0xF, 0xF, 0x1, 0xE, 0))
        agree("node control", f"write of {name}", BusError.OKAY,
                await bus.write(offsets[name], data, strobe=strobe))  # fmt: skip
        expected[name] += data & strobe & 1
        await ClockCycles(dut.clk, 3)
        await FallingEdge(dut.clk)
        for pulse in PULSES:
            agree("node control", f"pulses of {pulse}", expected[pulse], seen[pulse])
    assert all(expected.values())


@cocotb.test()
async def tiles_are_summed_up(dut):
    tiles = node_parameters().tiles
    rng, bus = await ready(dut)
    offsets = {register.name: register.offset for register in node_registers(node_parameters())}
    for round_ in range(60):
        interrupts = 0 if round_ % 5 == 0 else 1 << rng.randrange(tiles)
        active = rng.getrandbits(tiles)
        dut.tile_interrupt.value, dut.tile_active.value = interrupts, active
        await ClockCycles(dut.clk, 2)
        await FallingEdge(dut.clk)
        compare_pins("node control", "summary", dut, interrupt=interrupts != 0)
        for name, bits in (("interrupt", interrupts), ("active", active)):
            for word in range(-(-tiles // TILES_PER_WORD)):
                got = await bus.read(offsets[name] + 4 * word)
                expected = bits >> TILES_PER_WORD * word & 0xFFFFFFFF
                agree("node control", f"{name}, word {word}", (expected, BusError.OKAY), got)
