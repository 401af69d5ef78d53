"""TileControl against a model of its page, with a tile that is nothing but random statuses."""

import random

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from cocotb_tests.bus_master import BusMaster, agree
from cocotb_tests.designs import node_parameters
from cocotb_tests.drivers import corner, pack, start, unpack
from cocotb_tests.pins import compare_pins, read
from hdl.host.bus import BusError, BusSignature
from hdl.host.tile_control import PAGE_BITS, PATIENCE, execute_layout
from hdl.tile.send_unit import transfer_status_layout
from hdl.tile.tile import unit_status_layout
from panther.arch.core import ADDRESS_BITS
from panther.arch.node_registers import PAGE_BYTES, tile_address, tile_registers, unit_address
from panther.arch.registers import Access
from panther.arch.tile import SEQUENCER

OKAY, SLVERR, DECERR = BusError
ALL = 0xFFFFFFFF
INPUTS = (
    "bus__request__valid", "bus__request__payload", "start_armed", "send_status",
    "receive_status", "o_execute__ready", "execute_busy", "counter_value", "router_value",
)  # fmt: skip
TRANSFERS = ("send", "receive")
FAULT_LSB = 16


def address(name, index=0):
    return tile_address(0, name, index) % PAGE_BYTES


def unit_register(unit, name):
    return unit_address(0, unit, name) % PAGE_BYTES


class Page:
    """The unit on its pins, and the places of its units in arrays and in registers."""

    def __init__(self, dut):
        self.dut = dut
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.params = node_parameters()
        self.cores = self.params.tile.cores
        self.places = (*range(self.cores), SEQUENCER)
        """Number in a register of each unit of the tile, in the tile's order."""
        self.status = [self.fields() for _ in self.places]
        self.existing = sum(1 << place for place in self.places)
        self.seen = {name: [] for name in ("start", "step", "execute")}

    def fields(self, **values):
        return {**dict.fromkeys(unit_status_layout().members, 0), **values}

    async def ready(self):
        arrays = [f"status__{n}" for n in range(len(self.places))]
        arrays += [
            f"{name}__{n}" for n in range(self.cores) for name in ("execute_fault", "scalar")
        ]
        await start(self.dut, *INPUTS, *arrays)
        self.bus = BusMaster(self.dut, BusSignature(address_bits=PAGE_BITS, data_bits=32), self.rng)
        cocotb.start_soon(self._watch())

    async def _watch(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            for name in ("start", "step"):
                if value := read(getattr(dut, name)):
                    self.seen[name].append(value)
            if read(dut.o_execute__valid) and read(dut.o_execute__ready):
                word = unpack(execute_layout(), dut.o_execute__payload)
                self.seen["execute"].append((word.target, word.word))

    def to_tile(self, bits):
        """Bits of a register in the tile's order."""
        return sum((bits >> place & 1) << n for n, place in enumerate(self.places))

    def to_register(self, bits):
        return sum((bits >> n & 1) << place for n, place in enumerate(self.places))

    def show(self, unit=None):
        """Give the units their present status."""
        for n, fields in enumerate(self.status):
            if unit is None or n == unit:
                getattr(self.dut, f"status__{n}").value = pack(unit_status_layout(), fields)

    async def settle(self):
        await ClockCycles(self.dut.clk, 3)
        await FallingEdge(self.dut.clk)

    async def expect(self, offset, value, what):
        agree("tile control", what, (value, OKAY), await self.bus.read(offset))


async def page_of(dut):
    page = Page(dut)
    await page.ready()
    return page


def merged(old, data, strobe):
    mask = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
    return old & ~mask | data & mask, data & mask


@cocotb.test()
async def every_address_answers(dut):
    page = await page_of(dut)
    words = {}
    for register in tile_registers(page.params):
        for index in range(register.count):
            words[register.offset + 4 * index] = register
    dut.o_execute__ready.value = 1
    for offset in range(0, PAGE_BYTES, 4):
        access = words[offset].access if offset in words else None
        if access is None:
            expected = DECERR, DECERR
        else:
            expected = OKAY if access.readable else SLVERR, OKAY if access.writable else SLVERR
        value, error = await page.bus.read(offset)
        agree("tile control", f"read of {offset:#x}", expected[0], error)
        if access is not None and access.readable:
            agree("tile control", f"reset value at {offset:#x}", 0, value)
        error = await page.bus.write(offset, 0)
        agree("tile control", f"write of {offset:#x}", expected[1], error)
    assert sum(register.access is Access.W1C for register in words.values()) == 1


@cocotb.test()
async def what_is_kept_reaches_the_units(dut):
    page = await page_of(dut)
    rng = page.rng
    kept = dict.fromkeys(("arm", "hold", "reset", "interrupt_enable"), 0)
    both = page.existing | page.existing << FAULT_LSB
    start_pc = [0] * len(page.places)
    lows = [0] * page.cores
    for _ in range(300):
        data, strobe = corner(rng, 0, ALL), rng.choice((0xF, 0xF, rng.getrandbits(4)))
        what = rng.choice((*kept, "step", "start_pc", "execute_low", "start"))
        page.seen["start"], page.seen["step"] = [], []
        if what in kept:
            mask = both if what == "interrupt_enable" else page.existing
            kept[what] = merged(kept[what], data, strobe)[0] & mask
            await page.bus.write(address(what), data, strobe=strobe)
            await page.expect(address(what), kept[what], what)
        elif what == "step":
            bits = page.to_tile(merged(0, data, strobe)[0])
            await page.bus.write(address("step"), data, strobe=strobe)
            agree("tile control", "steps", [bits] if bits else [], page.seen["step"])
        elif what == "start_pc":
            n = rng.randrange(len(page.places))
            offset = unit_register(page.places[n], what)
            start_pc[n] = merged(start_pc[n], data, strobe)[0] & (1 << ADDRESS_BITS) - 1
            await page.bus.write(offset, data, strobe=strobe)
            await page.expect(offset, start_pc[n], f"start_pc of {n}")
        elif what == "execute_low":
            core = rng.randrange(page.cores)
            lows[core] = merged(lows[core], data, strobe)[0]
            await page.bus.write(unit_register(core, what), data, strobe=strobe)
            await page.expect(unit_register(core, what), lows[core], what)
        else:
            dut.start_armed.value = 1
            await FallingEdge(dut.clk)
            dut.start_armed.value = 0
            await FallingEdge(dut.clk)
            armed = page.to_tile(kept["arm"])
            agree("tile control", "starts", [armed] if armed else [], page.seen["start"])
        if what != "step":
            agree("tile control", "steps", [], page.seen["step"])
        compare_pins("tile control", f"after {what}", dut, hold=page.to_tile(kept["hold"]),
                     reset=page.to_tile(kept["reset"]),
                     **{f"start_pc__{n}": pc for n, pc in enumerate(start_pc)})  # fmt: skip


@cocotb.test()
async def status_is_shown(dut):
    page = await page_of(dut)
    rng = page.rng
    layout, transfer = unit_status_layout(), transfer_status_layout()

    def noise(shape):
        return {name: rng.getrandbits(field.width) for name, field in fields_of(shape)}

    def fields_of(shape):
        return list(shape)

    for _ in range(40):
        page.status = [noise(layout) for _ in page.places]
        page.show()
        transfers = {name: noise(transfer) for name in TRANSFERS}
        scalars = [rng.getrandbits(32) for _ in range(page.cores)]
        faults = [rng.getrandbits(4) for _ in range(page.cores)]
        busy = rng.getrandbits(page.cores)
        for name, fields in transfers.items():
            getattr(dut, f"{name}_status").value = pack(transfer, fields)
        for core in range(page.cores):
            getattr(dut, f"scalar__{core}").value = scalars[core]
            getattr(dut, f"execute_fault__{core}").value = faults[core]
        dut.execute_busy.value = busy
        await page.settle()
        for name, bit in (("running", "running"), ("held", "held")):
            bits = sum(fields[bit] << n for n, fields in enumerate(page.status))
            await page.expect(address(name), page.to_register(bits), name)
        for name, now in transfers.items():
            await page.expect(
                address(f"{name}_status"),
                now["busy"] | now["wait"] << 4 | now["tile"] << 8 | now["fifo"] << 16, name,
            )  # fmt: skip
            place = now["pc"] % (1 << 13) | now["wait_group"] << 13
            await page.expect(address(f"{name}_place"), place, name)
        n = rng.randrange(len(page.places))
        unit, now = page.places[n], page.status[n]
        await page.expect(
            unit_register(unit, "status"),
            now["running"] | now["held"] << 1 | now["fault"] << 8 | now["pc"] << 16, "status",
        )  # fmt: skip
        await page.expect(unit_register(unit, "cycle"), now["cycle"], "cycle")
        await page.expect(unit_register(unit, "wait"), now["wait"] | now["wait_group"] << 8, "wait")
        core = rng.randrange(page.cores)
        await page.expect(
            unit_register(core, "execute_status"), busy >> core & 1 | faults[core] << 8, "execute"
        )
        await page.expect(unit_register(core, "scalar"), scalars[core], "scalar")
        active = any(fields["running"] or fields["held"] for fields in page.status)
        compare_pins("tile control", "active", dut, active=active)


@cocotb.test()
async def interrupts_match_the_model(dut):
    page = await page_of(dut)
    rng = page.rng
    both = page.existing | page.existing << FAULT_LSB
    pending = enabled = in_reset = 0
    met = set()
    for _ in range(250):
        what = rng.choice(("units", "units", "units", "clear", "enable", "reset"))
        if what == "units":
            n = rng.randrange(len(page.places))
            old = page.status[n]
            running, held = rng.choice(((0, 0), (1, 0), (0, 1)))
            page.status[n] = new = page.fields(
                running=running, held=held, fault=rng.choice((0, 0, 1, 16)), pc=1
            )
            page.show(n)
            place = page.places[n]
            ends = (old["running"] or old["held"]) and not (running or held)
            if ends and not in_reset >> place & 1:
                pending |= 1 << place + (FAULT_LSB if new["fault"] else 0)
                met.add("fault" if new["fault"] else "halt")
        elif what == "clear":
            data, strobe = rng.getrandbits(32), rng.choice((0xF, rng.getrandbits(4)))
            pending &= ~merged(0, data, strobe)[1]
            await page.bus.write(address("interrupt"), data, strobe=strobe)
        elif what == "enable":
            enabled = rng.choice((0, both, rng.getrandbits(32) & both))
            await page.bus.write(address("interrupt_enable"), enabled)
        else:
            in_reset = rng.getrandbits(9) & page.existing if rng.random() < 0.5 else 0
            await page.bus.write(address("reset"), in_reset)
        await page.settle()
        await page.expect(address("interrupt"), pending, f"pending after {what}")
        compare_pins("tile control", f"after {what}", dut, interrupt=bool(pending & enabled))
    assert met == {"halt", "fault"}


@cocotb.test()
async def end_in_the_cycle_of_a_clear_is_not_lost(dut):
    page = await page_of(dut)
    await page.bus.write(address("interrupt_enable"), ALL)
    kept = []
    for after in range(12):
        page.status[0] = page.fields(running=1)
        page.show()
        await page.bus.write(address("interrupt"), ALL)
        await page.settle()
        seen = []

        async def end(cycles, seen=seen):
            await ClockCycles(dut.clk, cycles)
            await FallingEdge(dut.clk)
            page.status[0] = page.fields()
            page.show()
            for _ in range(20):
                await FallingEdge(dut.clk)
                seen.append(read(dut.interrupt))

        ending = cocotb.start_soon(end(after))
        await page.bus.write(address("interrupt"), ALL)
        await ending
        agree("tile control", f"interrupt of an end after {after} cycles", 1, max(seen))
        kept.append((await page.bus.read(address("interrupt")))[0])
    assert kept[0] == 0
    assert kept[-1] == 1
    agree("tile control", "what is cleared", sorted(kept), kept)


@cocotb.test()
async def reset_of_a_unit_is_no_halt(dut):
    page = await page_of(dut)
    page.status[0] = page.fields(running=1)
    page.show()
    await page.settle()
    stopping = cocotb.start_soon(page.bus.write(address("reset"), 1))
    while not read(dut.reset) & 1:
        await FallingEdge(dut.clk)
    # a reset takes effect in the next cycle
    await FallingEdge(dut.clk)
    page.status[0] = page.fields()
    page.show()
    await stopping
    await page.bus.write(address("reset"), 0)
    await page.settle()
    await page.expect(address("interrupt"), 0, "pending")


@cocotb.test()
async def instructions_reach_their_core_once(dut):
    page = await page_of(dut)
    rng = page.rng
    reset = 0
    met = set()
    for _ in range(150):
        core = rng.randrange(page.cores)
        running, busy = (rng.getrandbits(page.cores) & rng.getrandbits(page.cores) for _ in "ab")
        if rng.random() < 0.2:
            reset = rng.getrandbits(page.cores) & rng.getrandbits(page.cores)
            await page.bus.write(address("reset"), reset)
        for n in range(page.cores):
            page.status[n] = page.fields(running=running >> n & 1)
        page.show()
        dut.execute_busy.value = busy
        # how long the core makes it wait
        wait = rng.choice((0, 1, 5, PATIENCE - 1, PATIENCE + 3))
        strobe = rng.choice((0xF, 0xF, 0xF, 0x7))
        low, high = rng.getrandbits(32), rng.getrandbits(32)
        await page.bus.write(unit_register(core, "execute_low"), low)
        page.seen["execute"] = []

        async def take(wait=wait):
            for _ in range(wait):
                while not read(dut.o_execute__valid):
                    await FallingEdge(dut.clk)
                await FallingEdge(dut.clk)
            dut.o_execute__ready.value = 1

        dut.o_execute__ready.value = 0
        taking = cocotb.start_soon(take())
        error = await page.bus.write(unit_register(core, "execute_high"), high, strobe=strobe)
        free = not (running | reset | busy) >> core & 1 and strobe == 0xF
        expected = OKAY if free and wait < PATIENCE else SLVERR
        agree("tile control", f"error of execute after {wait} cycles", expected, error)
        words = [(core, high << 32 | low)] if expected == OKAY else []
        agree("tile control", "instructions", words, page.seen["execute"])
        taking.cancel()
        dut.o_execute__ready.value = 0
        met.add((free, expected))
    assert len(met) == 3


@cocotb.test()
async def counters_are_read_by_number(dut):
    page = await page_of(dut)
    rng = page.rng
    counts = {}
    names = {"counter": ("counter_select", "counter_value"),
             "router_counter": ("router_select", "router_value")}  # fmt: skip
    for register in tile_registers(page.params):
        if register.name in names:
            counts[register.name] = [rng.getrandbits(32) for _ in range(register.count)]

    async def late():
        """A count comes two cycles after the choice."""
        while True:
            await FallingEdge(dut.clk)
            chosen = {name: read(getattr(dut, select)) for name, (select, _) in names.items()}
            await FallingEdge(dut.clk)
            for name, (_, value) in names.items():
                count = counts[name][chosen[name]] if chosen[name] < len(counts[name]) else 0
                getattr(dut, value).value = count

    cocotb.start_soon(late())
    for _ in range(60):
        name = rng.choice(list(names))
        index = rng.randrange(len(counts[name]))
        await page.expect(address(name, index), counts[name][index], f"{name} {index}")
        compare_pins("tile control", "no counter", dut, counter_select=0, router_select=0)
