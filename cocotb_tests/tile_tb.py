"""Tile: two cores, the sequencer and the host together, on a node of one tile.

A second tile has its clock gated by ``clock_enable``; whatever happens, its outputs are the same.
"""

import random
from collections.abc import Mapping, Sequence

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.bench.tile import PARAMS
from cocotb_tests.compare import compare
from cocotb_tests.drivers import pack, start, unpack
from cocotb_tests.pins import read
from hdl.tile.send_unit import transfer_status_layout
from hdl.tile.shared_memory import host_answer_layout, host_request_layout
from hdl.tile.tile import unit_status_layout
from models.system.node import Node
from panther.arch.core import LANES, WORD_BITS, Fault
from panther.arch.mcu import Operation
from panther.arch.tile import SEQUENCER, HostOp, TileFault, TileWait, counter_names
from panther.asm.assembler import assemble_text

TILE = PARAMS.tile
CORES = TILE.cores
UNITS = (*range(CORES), SEQUENCER)
GROUPS = TILE.groups
COUNTERS = counter_names(TILE)
INPUTS = (
    "i_program__valid", "i_program__payload", "start", "hold", "step", "reset",
    "i_execute__valid", "i_execute__payload", "i_memory__valid", "i_memory__payload",
    "o_memory__ready", "host_core", "host_mcu", "i_command__valid", "i_command__payload",
    "i_cells__valid", "i_cells__payload", "i_cells_read__valid", "i_cells_read__payload",
    "o_cells__ready", "clear_counters", "counter_select",
    *(f"start_pc__{n}" for n in range(len(UNITS))),
)  # fmt: skip

# core 0 gives core 1 a vector, core 1 adds to it and hands it to the send unit; the message comes
# back into another place, of which core 0 makes the result
EXCHANGE = {
    0: """
        vset r0, 5, 16
        sset s1, 0
        st r0, s1, 0, 16, core1
        ld r16, s1, 64, 13, take
        v.add r32, r16, r0, 13
        st r32, s1, 96, 13, plain
        hlt
    """,
    1: """
        sset s1, 0
        sset s2, 37
        ld r0, s1, 0, 16, take
        vs.add r16, r0, s2, 16
        st r16, s1, 32, 16, 0x100
        hlt
    """,
    SEQUENCER: """
        sset s1, 32
        send s1, 0, 13, 0, 1
        recv s1, 32, 13, 1, core0
        hlt
    """,
}


class Bench:
    """What a host does to a tile."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.closed = 0
        """Cycles without a clock."""
        self.busy = 0
        """Cycles in which a unit runs, or the send or receive unit has something to do."""

    async def begin(self) -> None:
        """Reset, and make the memory zero and free."""
        await start(self.dut, *INPUTS)
        cocotb.start_soon(self._watch())
        for group in range(GROUPS):
            for op in (HostOp.WRITE, HostOp.STATE):
                await self.memory(op, group)

    async def _watch(self) -> None:
        """Whoever has its clock gated does the same, and is without a clock at times."""
        dut, cycle = self.dut, 0
        while True:
            await RisingEdge(dut.clk)
            compare("Tile", f"cycle {cycle}, with a gated clock", 0, read(dut.differs))
            self.closed += not read(dut.clock_enable)
            self.busy += self.anything()
            cycle += 1

    async def load(self, unit: int, words: Sequence[int]) -> None:
        dut = self.dut
        for address, word in enumerate(words):
            dut.i_program__payload.value = unit | address << 4 | word << 17
            dut.i_program__valid.value = 1
            await FallingEdge(dut.clk)
        dut.i_program__valid.value = 0

    async def memory(
        self, op: HostOp, group: int, *, data: int = 0, valid: int = 0, readers: int = 0
    ) -> tuple[int, int, int]:
        """One request; what is read: data, valid, readers."""
        dut = self.dut
        fields = {
            "op": op, "group": group, "mask": (1 << LANES) - 1, "data": _words(data),
            "valid": valid, "readers": readers,
        }  # fmt: skip
        dut.i_memory__payload.value = pack(host_request_layout(), fields)
        await self._hand_over("i_memory")
        if op != HostOp.READ:
            return 0, 0, 0
        while not read(dut.o_memory__valid):
            await FallingEdge(dut.clk)
        answer = unpack(host_answer_layout(), dut.o_memory__payload)
        data = sum(word << WORD_BITS * lane for lane, word in enumerate(answer.data))
        return data, answer.valid, answer.readers

    async def _hand_over(self, name: str) -> None:
        dut = self.dut
        getattr(dut, f"{name}__valid").value = 1
        while True:
            await RisingEdge(dut.clk)
            taken = read(getattr(dut, f"{name}__ready"))
            await FallingEdge(dut.clk)
            if taken:
                break
        getattr(dut, f"{name}__valid").value = 0

    async def execute(self, core: int, text: str) -> tuple[int, Fault]:
        """Have a core carry out an instruction; what it last wrote to a scalar, and its fault."""
        dut = self.dut
        (word,) = assemble_text(text, TILE.core).words
        dut.i_execute__payload.value = core | word << 4
        await self._hand_over("i_execute")
        while read(dut.execute_busy) >> core & 1:
            await FallingEdge(dut.clk)
        fault = Fault(read(getattr(dut, f"execute_fault__{core}")))
        return read(getattr(dut, f"scalar__{core}")), fault

    async def start_units(self, units: Mapping[int, int]) -> None:
        dut = self.dut
        for unit, pc in units.items():
            getattr(dut, f"start_pc__{UNITS.index(unit)}").value = pc
        dut.start.value = sum(1 << UNITS.index(unit) for unit in units)
        await FallingEdge(dut.clk)
        dut.start.value = 0

    def status(self, unit: int):  # type: ignore[no-untyped-def]
        return unpack(unit_status_layout(), getattr(self.dut, f"status__{UNITS.index(unit)}"))

    def anything(self) -> bool:
        """Whether a unit runs, or the send or receive unit has something to do."""
        names = [f"status__{n}" for n in range(len(UNITS))] + ["send_status", "receive_status"]
        # the lowest bit of each of them
        return any(read(getattr(self.dut, name)) & 1 for name in names)

    async def wait(self, limit: int = 2000) -> None:
        """Until no unit runs, and send and receive unit are idle."""
        for _ in range(limit):
            if not self.anything():
                break
            await FallingEdge(self.dut.clk)
        else:
            raise AssertionError(f"units must not wait for ever: {[self.status(n) for n in UNITS]}")
        # a credit may be on its way
        for _ in range(8):
            await FallingEdge(self.dut.clk)

    async def counters(self) -> dict[str, int]:
        values = {}
        for number, name in enumerate(COUNTERS):
            self.dut.counter_select.value = number
            await FallingEdge(self.dut.clk)
            values[name] = read(self.dut.counter_value)
        return values

    async def clear_counters(self) -> None:
        self.dut.clear_counters.value = 1
        await FallingEdge(self.dut.clk)
        self.dut.clear_counters.value = 0


def _programs(texts: Mapping[int, str]) -> dict[int, tuple[int, ...]]:
    return {unit: assemble_text(text, TILE.core).words for unit, text in texts.items()}


@cocotb.test()
async def words_go_round(dut):
    """Through memory, send unit, network and receive unit; as in the twin, with its counters."""
    bench, twin = Bench(dut), Node(PARAMS)
    await bench.begin()
    for unit, words in _programs(EXCHANGE).items():
        await bench.load(unit, words)
        twin.load(0, unit, words)
    units = dict.fromkeys(UNITS, 0)
    memory = twin.memory(0)
    for turn in range(2):
        await bench.clear_counters()
        before, busy = twin.counters(0), bench.busy
        await bench.start_units(units)
        await bench.wait()
        twin.start({(0, unit): pc for unit, pc in units.items()})
        assert twin.run()
        for unit in UNITS:
            rtl, golden = bench.status(unit), twin.status(0, unit)
            for name in ("running", "fault", "wait"):
                where = f"turn {turn}, status of unit {unit}, {name}"
                compare("Tile", where, int(getattr(golden, name)), rtl[name])
        golden, rtl = twin.counters(0), await bench.counters()
        # cycles with something to do, and those in which but a flit comes
        busy, active = bench.busy - busy, rtl["active"]
        flits = rtl["sent"] + rtl["credits"]
        assert busy <= active <= busy + flits, f"{active} cycles must be {busy} and some of {flits}"
        for name in COUNTERS[1:]:
            compare("Tile", f"turn {turn}, counter {name}", golden[name] - before[name], rtl[name])
        for group in range(GROUPS):
            found = await bench.memory(HostOp.READ, group)
            golden = (
                int(memory.groups[group]) % (1 << 64),
                memory.valid[group],
                memory.readers[group],
            )
            where = f"turn {turn}, group {group}"
            compare("Tile", where, [int(n) for n in golden], found, ("data, valid, readers",))
            await bench.memory(HostOp.STATE, group)
            memory.valid[group], memory.readers[group] = False, 0
    words = [word for group in range(24, 28) for word in _words(int(memory.groups[group]))]
    assert words[:13] == [42 + 5] * 13
    assert bench.closed > 0, "a tile that does nothing must not need its clock"


@cocotb.test()
async def host_carries_out_instructions(dut):
    bench = Bench(dut)
    await bench.begin()
    for core in range(CORES):
        assert await bench.execute(core, f"sset s3, {70 + core}") == (70 + core, Fault.NONE)
    for core in range(CORES):
        assert await bench.execute(core, "sadd s0, s3, 5") == (75 + core, Fault.NONE)
        assert (await bench.execute(core, "hlt"))[1] is Fault.ILLEGAL
        assert await bench.execute(core, "sadd s0, s3, 0") == (70 + core, Fault.NONE)
    # what the host has executed is counted of matrix units only
    await bench.clear_counters()
    for text in ("vset r0, 3, 9", "mcu m0:mvm+opa", "csrr s0, m0.rows"):
        assert (await bench.execute(0, text))[1] is Fault.NONE
    counts = await bench.counters()
    expected = {
        "mvm_steps": 16,
        "conversions": 16 * 4,
        "pulses": 64,
        "busy": counts["core0.m0.busy"],
    }
    expected = {f"core0.m0.{name}": count for name, count in expected.items()}
    for name in COUNTERS[1:]:
        compare("Tile", f"counter {name}", expected.get(name, 0), counts[name])
    # neither the sequencer nor a core that is not there
    for target in (SEQUENCER, CORES):
        dut.i_execute__payload.value = target
        await bench._hand_over("i_execute")
    assert read(dut.execute_busy) == 0


@cocotb.test()
async def units_are_held_and_step(dut):
    bench = Bench(dut)
    await bench.begin()
    text = "sset s1, 1\n" * 6 + "hlt"
    for unit in UNITS:
        await bench.load(unit, assemble_text(text, TILE.core).words)
    dut.hold.value = 0b111
    await bench.start_units(dict.fromkeys(UNITS, 2))
    for stepped in range(4):
        status = [bench.status(unit) for unit in UNITS]
        assert [item.held for item in status] == [1, 1, 1]
        assert [item.pc for item in status] == [2, 2 + stepped, 2]
        dut.step.value = 0b010
        await FallingEdge(dut.clk)
        dut.step.value = 0
        for _ in range(5):
            await FallingEdge(dut.clk)
    dut.hold.value = 0
    await bench.wait()
    assert [bench.status(unit).held for unit in UNITS] == [0, 0, 0]


@cocotb.test()
async def who_waits_in_vain_stops(dut):
    """The watchdog's causes, and what was waited for."""
    bench = Bench(dut)
    await bench.begin()
    texts = {
        0: "csr watchdog, 20\nsset s1, 44\nld r0, s1, 0, 4\nhlt",
        1: "csr watchdog, 20\nsset s1, 52\nst r0, s1, 0, 4, core0\nst r0, s1, 0, 4\nhlt",
        SEQUENCER: "csr watchdog, 20\nsset s1, 80\nrecv s1, 0, 4, 0\nsend s1, 0, 9, 0, 0\nhlt",
    }
    for unit, words in _programs(texts).items():
        await bench.load(unit, words)
    await bench.start_units(dict.fromkeys(UNITS, 0))
    await bench.wait()
    # which instructions of the host do not make them forget
    for core in range(CORES):
        assert (await bench.execute(core, "sadd s0, s1, 0"))[1] is Fault.NONE
    seen = [bench.status(unit) for unit in UNITS]
    assert [item.fault for item in seen] == [Fault.WATCHDOG] * 2 + [TileFault.WATCHDOG]
    assert [item.pc for item in seen] == [2, 3, 2]
    assert [item.wait for item in seen[:2]] == [TileWait.LOAD, TileWait.STORE]
    assert [item.wait_group for item in seen] == [11, 13, 0]
    send, receive = (
        unpack(transfer_status_layout(), getattr(dut, name))
        for name in ("send_status", "receive_status")
    )
    assert (send.wait, send.wait_group, send.pc) == (TileWait.LOAD, 20, 3)
    assert (receive.wait, receive.pc) == (TileWait.MESSAGE, 2)
    assert bench.closed > 0


@cocotb.test()
async def answers_of_a_core_in_reset_are_lost(dut):
    """A core is reset in the middle of loads, and loads something else at once."""
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut)
    await bench.begin()
    for group in range(GROUPS):
        await bench.memory(HostOp.WRITE, group, data=(group + 1) * 0x0001000100010001)
    texts = {0: "ld r0, s0, 0, 48\nhlt", 1: "sset s1, 64\nld r0, s1, 0, 40\nhlt"}
    for unit, words in _programs(texts).items():
        await bench.load(unit, words)
    for _ in range(12):
        core = rng.randrange(CORES)
        await bench.start_units(dict.fromkeys(range(CORES), 0))
        for _ in range(rng.randrange(16)):
            await FallingEdge(dut.clk)
        dut.reset.value = 1 << core
        await FallingEdge(dut.clk)
        dut.reset.value = 0
        await bench.start_units({core: 0})
        await bench.wait()
        first, length = (17, 40) if core else (1, 48)
        value, fault = await bench.execute(core, f"vr.sum s2, r0, {length}")
        assert fault is Fault.NONE
        golden = sum(first + n // LANES for n in range(length))
        compare("Tile", f"sum of what core {core} has loaded", golden, value)


@cocotb.test()
async def clock_is_enough(dut):
    """Everything a host may do, at random; the tile with a gated clock has to do the same."""
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut)
    await bench.begin()
    texts = {
        unit: "csr watchdog, 90\n" + text for unit, text in EXCHANGE.items()
    }  # fmt: skip
    for unit, words in _programs(texts).items():
        await bench.load(unit, words)
    instructions = ("vset m0.mvm_in, 3, 4", "mcu 1", "vr.sum s1, m0.mvm_out, 4", "sset s9, 1")
    for _ in range(40):
        what = rng.randrange(6)
        if what == 0:
            units = rng.sample(UNITS, rng.randint(1, len(UNITS)))
            await bench.start_units(dict.fromkeys(units, 0))
        elif what == 1:
            dut.hold.value = rng.choice((0, 0, rng.getrandbits(len(UNITS))))
            dut.step.value = rng.getrandbits(len(UNITS))
        elif what == 2:
            dut.reset.value = rng.getrandbits(len(UNITS) - 1)
        elif what == 3:
            await bench.memory(rng.choice(list(HostOp)), rng.randrange(GROUPS), readers=3, valid=1)
        elif what == 4:
            core = rng.randrange(CORES)
            if not bench.status(core).running:
                await bench.execute(core, rng.choice(instructions))
        else:
            core = rng.randrange(CORES)
            dut.host_core.value, dut.host_mcu.value = core, 0
            await FallingEdge(dut.clk)
            if not bench.status(core).running and not read(dut.host_busy):
                dut.i_command__payload.value = rng.choice((Operation.READ, Operation.MVM))
                dut.i_command__valid.value = 1
                dut.i_cells_read__valid.value = rng.getrandbits(1)
                await FallingEdge(dut.clk)
                dut.i_command__valid.value = 0
        dut.o_cells__ready.value = rng.getrandbits(1)
        for _ in range(rng.choice((0, 1, 2, 5, 200))):
            await FallingEdge(dut.clk)
            dut.step.value = dut.reset.value = dut.i_cells_read__valid.value = 0
    assert bench.closed > 50, f"its clock must be closed at times, not {bench.closed} cycles"


def _words(data: int) -> list[int]:
    return [data >> WORD_BITS * lane & (1 << WORD_BITS) - 1 for lane in range(LANES)]
