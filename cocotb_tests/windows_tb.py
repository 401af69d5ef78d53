"""Windows against a model of the map, in front of a tile that takes its time."""

import random
from collections import deque

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from cocotb_tests.bus_master import BusMaster, agree
from cocotb_tests.compare import compare
from cocotb_tests.designs import node_parameters
from cocotb_tests.drivers import pack, start, unpack
from cocotb_tests.pins import read
from hdl.host.bus import BusError, BusSignature
from hdl.host.windows import PATIENCE, TILE_ADDRESS_BITS, command_layout, program_layout
from hdl.mcu.row_buffer import column_cells_layout
from hdl.tile.shared_memory import host_answer_layout, host_request_layout
from panther.arch.mcu import Operation
from panther.arch.node_registers import CELLS, PROGRAM, STATES, WORDS, memory_address
from panther.arch.tile import SEQUENCER, HostOp

OKAY, SLVERR, DECERR = BusError
WHOLE = 0xFF
INPUTS = (
    "bus__request__valid", "bus__request__payload", "running", "reset", "host_busy",
    "o_program__ready", "o_memory__ready", "i_memory__valid", "i_memory__payload",
    "o_command__ready", "o_cells__ready", "o_cells_read__ready", "i_cells__valid",
    "i_cells__payload",
)  # fmt: skip


class Unit:
    """A matrix unit: its cells, and the row buffer."""

    def __init__(self, rows, columns, bits, rng):
        self.cells = [[rng.getrandbits(bits) for _ in range(columns)] for _ in range(rows)]
        self.buffer = [rng.getrandbits(bits) for _ in range(columns)]
        self.busy = 0
        self.answer = None


class Tile:
    """What a tile does with the windows' requests, with pauses in everything."""

    def __init__(self, dut, rng):
        self.dut, self.rng = dut, rng
        self.params = params = node_parameters().tile
        mcu = params.core.mcu
        self.bits = sum(mcu.slices.cell_bits)
        self.units = {
            (core, n): Unit(mcu.rows, mcu.columns, self.bits, rng)
            for core in range(params.cores)
            for n in range(params.core.mcus)
        }
        self.groups = [(rng.getrandbits(64), 0, 0) for _ in range(params.groups)]
        self.programs = {}
        self.running = self.in_reset = 0
        self.shut = False
        """The ports of all matrix units are closed although no core runs: a start waits."""
        self.stall = 0.3
        self.answers = deque()
        self.commands = []
        self.places = (*range(params.cores), SEQUENCER)

    async def serve(self):
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            unit = self._drive()
            await RisingEdge(dut.clk)
            self._take(unit)

    def _drive(self):
        dut = self.dut

        def ready():
            return self.rng.random() >= self.stall

        dut.running.value, dut.reset.value = self.running, self.in_reset
        core = read(dut.host_core)
        unit = self.units.get((core, read(dut.host_mcu)))
        is_open = unit is not None and not self.shut and not self.running >> core & 1
        free = is_open and unit.busy == 0
        dut.host_busy.value = bool(is_open and unit.busy)
        dut.o_command__ready.value = bool(free and ready())
        dut.o_cells__ready.value = bool(free and ready())
        has_answer = is_open and unit.answer is not None
        dut.o_cells_read__ready.value = bool(free and not has_answer and ready())
        dut.i_cells__valid.value = bool(has_answer)
        dut.i_cells__payload.value = unit.answer if has_answer else self.rng.getrandbits(self.bits)
        dut.o_program__ready.value = ready()
        dut.o_memory__ready.value = ready()
        due = bool(self.answers) and self.answers[0][0] == 0
        dut.i_memory__valid.value = due
        layout = host_answer_layout()
        dut.i_memory__payload.value = self.rng.getrandbits(layout.size)
        if due:
            _, (words, valid, readers) = self.answers.popleft()
            dut.i_memory__payload.value = pack(layout, {
                "data": [words >> 16 * n & 0xFFFF for n in range(4)],
                "valid": valid, "readers": readers,
            })  # fmt: skip
        self.answers = deque((cycles - 1, answer) for cycles, answer in self.answers)
        return unit

    def _taken(self, name):
        return read(getattr(self.dut, f"{name}__valid")) & read(getattr(self.dut, f"{name}__ready"))

    def _take(self, unit):
        dut, mcu = self.dut, self.params.core.mcu
        if self._taken("o_program"):
            word = unpack(program_layout(), dut.o_program__payload)
            agree("windows", "parity of a program", 0, word.invert)
            self.programs[word.target, word.address] = word.word
        if self._taken("o_memory"):
            self._memory(unpack(host_request_layout(), dut.o_memory__payload))
        for other in self.units.values():
            other.busy = max(0, other.busy - 1)
        if unit is None:
            return
        if self._taken("i_cells"):
            unit.answer = None
        if self.in_reset >> read(dut.host_core) & 1:
            return  # takes everything, does nothing
        if self._taken("o_command"):
            command = unpack(command_layout(), dut.o_command__payload)
            assert command.row < mcu.rows
            row = unit.cells[command.row]
            if command.operation == Operation.READ:
                unit.buffer[:] = row
            else:
                assert command.operation == Operation.WRITE
                row[:] = unit.buffer
            unit.busy = self.rng.randint(2, 12)
            self.commands.append(Operation(command.operation))
        if self._taken("o_cells"):
            layout = column_cells_layout(mcu)
            item = dut.o_cells__payload.value.to_unsigned()
            column = layout.from_bits(item).column
            unit.buffer[column] = item >> layout["cells"].offset
        if self._taken("o_cells_read"):
            unit.answer = unit.buffer[dut.o_cells_read__payload.value.to_unsigned()]

    def _memory(self, request):
        words, valid, readers = self.groups[request.group]
        if request.op == HostOp.READ:
            self.answers.append((self.rng.randint(0, 4), (words, valid, readers)))
        elif request.op == HostOp.WRITE:
            for n in range(4):
                if request.mask >> n & 1:
                    words = words & ~(0xFFFF << 16 * n) | request.data[n] << 16 * n
            self.groups[request.group] = words, 1, 0
        else:
            assert request.op == HostOp.STATE
            self.groups[request.group] = words, request.valid, request.readers


class Model:
    """What a host expects."""

    def __init__(self, tile):
        self.tile = tile
        self.groups = list(tile.groups)
        self.cells = {key: [list(row) for row in unit.cells] for key, unit in tile.units.items()}
        self.programs = {}

    def check(self):
        agree("windows", "memory", self.groups, self.tile.groups)
        for (core, mcu), unit in self.tile.units.items():
            compare("windows", f"cells of core {core}, mcu {mcu}", self.cells[core, mcu],
                    unit.cells, ("row", "column"))  # fmt: skip
        assert self.tile.programs == self.programs

    def read(self, window, *place):
        """Word and error."""
        if window is WORDS:
            return self.groups[place[0]][0], OKAY
        if window is STATES:
            _, valid, readers = self.groups[place[0]]
            return valid | readers << 1, OKAY
        if window is PROGRAM:
            return 0, SLVERR
        core, mcu, row, column = place
        return self.cells[core, mcu][row][column], OKAY

    def write(self, data, strobe, window, *place):
        """Error."""
        if strobe == 0:
            return OKAY
        if window is WORDS:
            pairs = [strobe >> 2 * n & 3 for n in range(4)]
            if any(pair in (1, 2) for pair in pairs):
                return SLVERR
            words = self.groups[place[0]][0]
            for n in range(4):
                if pairs[n]:
                    words = words & ~(0xFFFF << 16 * n) | data & 0xFFFF << 16 * n
            self.groups[place[0]] = words, 1, 0
            return OKAY
        if strobe != WHOLE:
            return SLVERR
        if window is STATES:
            self.groups[place[0]] = self.groups[place[0]][0], data & 1, data >> 1 & 0x1FF
        elif window is PROGRAM:
            self.programs[place] = data
        else:
            core, mcu, row, column = place
            self.cells[core, mcu][row][column] = data & (1 << self.tile.bits) - 1
        return OKAY


async def ready(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    await start(dut, *INPUTS)
    tile = Tile(dut, rng)
    bus = BusMaster(dut, BusSignature(address_bits=TILE_ADDRESS_BITS, data_bits=64), rng)
    cocotb.start_soon(tile.serve())
    return rng, tile, Model(tile), bus


def random_place(rng, tile):
    """Somewhere in the map."""
    params = tile.params
    window = rng.choice((WORDS, STATES, PROGRAM, CELLS, CELLS))
    if window is PROGRAM:
        unit = rng.choice(tile.places)
        depth = params.instructions if unit == SEQUENCER else params.core.instructions
        return PROGRAM, unit, rng.randrange(depth)
    if window is CELLS:
        mcu = params.core.mcu
        return (CELLS, rng.randrange(params.cores), rng.randrange(params.core.mcus),
                rng.randrange(mcu.rows), rng.randrange(mcu.columns))  # fmt: skip
    return window, rng.randrange(params.groups)


def random_burst(rng, tile):
    """Places of the beats of a burst; those of cells stay in a row for a while."""
    place = random_place(rng, tile)
    places = [place]
    for _ in range(rng.choice((0, 0, 1, 3, 8))):
        if place[0] is CELLS:
            column = rng.randrange(tile.params.core.mcu.columns)
            place = (*place[:-1], column)
            if rng.random() < 0.2:
                place = (*place[:-2], rng.randrange(tile.params.core.mcu.rows), column)
        else:
            while (place := random_place(rng, tile))[0] is not places[0][0]:
                pass
        places.append(place)
    return places


@cocotb.test()
async def bursts_match_the_model(dut):
    rng, tile, model, bus = await ready(dut)
    running = [[], []]  # bursts of reads and of writes, one of each at a time, beats in any order
    left = 250
    while left or any(running):
        kind = rng.randrange(2)
        if not running[kind]:
            if left:
                running[kind] = random_burst(rng, tile)
                left -= 1
            continue
        place, *running[kind] = running[kind]
        last = not running[kind]
        address = memory_address(0, *place)
        what = f"{place[0].name} {place[1:]}"
        if kind:
            data, strobe = rng.getrandbits(64), rng.choice((WHOLE, WHOLE, WHOLE, rng.getrandbits(8),
                                                            0x3C, 0xC0, 0))  # fmt: skip
            expected = model.write(data, strobe, *place)
            error = await bus.write(address, data, strobe=strobe, last=last)
            agree("windows", f"error of a write of {what}, strobe {strobe:#x}", expected, error)
        else:
            data, expected = model.read(*place)
            got, error = await bus.read(address, last=last)
            agree("windows", f"error of a read of {what}", expected, error)
            if expected == OKAY:
                agree("windows", f"read of {what}", data, got)
    model.check()
    # rows are read and written as rarely as may be: one by one it would be far more
    assert {Operation.READ, Operation.WRITE} == set(tile.commands)


@cocotb.test()
async def row_is_read_and_written_once(dut):
    _, tile, model, bus = await ready(dut)
    columns = tile.params.core.mcu.columns
    place = (CELLS, tile.params.cores - 1, tile.params.core.mcus - 1)
    for row in (1, 2):
        for column in range(columns):
            last = (row, column) == (2, columns - 1)
            spot = (*place, row, column)
            model.write(row << 4 | column, WHOLE, *spot)
            error = await bus.write(memory_address(0, *spot), row << 4 | column, last=last)
            agree("windows", f"error of row {row}, column {column}", OKAY, error)
    agree("windows", "commands", [Operation.READ, Operation.WRITE] * 2, tile.commands)
    tile.commands.clear()
    for column in range(columns):
        spot = (*place, 2, column)
        got = await bus.read(memory_address(0, *spot), last=column == columns - 1)
        agree("windows", f"column {column}", (2 << 4 | column, OKAY), got)
    agree("windows", "commands", [Operation.READ], tile.commands)
    # the next burst does not rely on what was in the buffer
    key = place[1:]
    tile.units[key].cells[2][0] = model.cells[key][2][0] = 5
    got = await bus.read(memory_address(0, *place, 2, 0))
    agree("windows", "after a change", (5, OKAY), got)
    model.check()


@cocotb.test()
async def nothing_lies_beside_the_map(dut):
    rng, tile, model, bus = await ready(dut)
    params, mcu = tile.params, tile.params.core.mcu
    inside, beside = [], []
    for window in (WORDS, STATES):
        inside += [(window, 0), (window, params.groups - 1)]
        beside += [(window, params.groups), (window, (1 << 19) - 1)]
    for unit in range(16):
        depth = params.instructions if unit == SEQUENCER else params.core.instructions
        spots = [(PROGRAM, unit, 0), (PROGRAM, unit, depth - 1)]
        (inside if unit in tile.places else beside).extend(spots)
        beside.append((PROGRAM, unit, depth))
        beside.append((PROGRAM, unit, (1 << 13) - 1))
    for core in range(8):
        for n in range(8):
            exists = core < params.cores and n < params.core.mcus
            spots = [(CELLS, core, n, 0, 0), (CELLS, core, n, mcu.rows - 1, mcu.columns - 1)]
            (inside if exists else beside).extend(spots)
            beside += [(CELLS, core, n, mcu.rows, 0), (CELLS, core, n, 0, mcu.columns)]
            beside += [(CELLS, core, n, 255, 0), (CELLS, core, n, 0, 255)]
    addresses = [memory_address(0, *place) for place in beside]
    # windows there are none of
    addresses += [(window << 22) + 8 * rng.randrange(1 << 19) for window in range(3, 8)]
    for place in inside:
        data = rng.getrandbits(64)
        what = f"{place[0].name} {place[1:]}"
        expected = model.write(data, WHOLE, *place)
        error = await bus.write(memory_address(0, *place), data)
        agree("windows", f"error of a write of {what}", expected, error)
    for address in addresses:
        agree("windows", f"read of {address:#x}", DECERR, (await bus.read(address))[1])
        error = await bus.write(address, rng.getrandbits(64), strobe=rng.getrandbits(8))
        agree("windows", f"write of {address:#x}", DECERR, error)
    model.check()


@cocotb.test()
async def what_is_in_use_is_refused(dut):
    rng, tile, model, bus = await ready(dut)
    for number, unit in enumerate(tile.places):
        for running, in_reset in ((1, 0), (0, 1)):
            tile.running, tile.in_reset = running << number, in_reset << number
            await ClockCycles(dut.clk, 2)
            await FallingEdge(dut.clk)
            for other in tile.places:
                place = (PROGRAM, other, rng.randrange(tile.params.instructions))
                data = rng.getrandbits(64)
                expected = SLVERR if other == unit else model.write(data, WHOLE, *place)
                error = await bus.write(memory_address(0, *place), data)
                agree("windows", f"program of {other} while {unit} is in use", expected, error)
                if other == SEQUENCER:
                    continue
                place = (CELLS, other, 0, 1, 2)
                expected = SLVERR if other == unit else OKAY
                _, error = await bus.read(memory_address(0, *place))
                agree("windows", f"cells of {other} while {unit} is in use", expected, error)
                if other != unit:
                    model.write(data, WHOLE, *place)
                error = await bus.write(memory_address(0, *place), data)
                agree("windows", f"cells of {other} while {unit} is in use", expected, error)
            for window in (WORDS, STATES):
                data = rng.getrandbits(64)
                error = await bus.write(memory_address(0, window, 1), data)
                agree("windows", f"{window.name} at any time", OKAY, error)
                model.write(data, WHOLE, window, 1)
    tile.running = tile.in_reset = 0
    # a unit that works
    unit = tile.units[0, 0]
    unit.busy = 1 << 30
    place = (CELLS, 0, 0, 1, 2)
    agree("windows", "busy unit", SLVERR, (await bus.read(memory_address(0, *place)))[1])
    agree("windows", "busy unit", SLVERR, await bus.write(memory_address(0, *place), 1))
    unit.busy = 0
    agree("windows", "idle unit", OKAY, (await bus.read(memory_address(0, *place)))[1])
    model.check()


@cocotb.test()
async def burst_that_is_disturbed_fails(dut):
    """Whatever happens to the core between two beats, nothing stale is written, and it shows."""
    _, tile, model, bus = await ready(dut)
    unit = tile.units[0, 0]

    async def disturb(how):
        if how == "run":
            tile.running |= 1
        elif how == "reset":
            tile.in_reset |= 1
        else:
            unit.busy = 6
        await ClockCycles(dut.clk, 3)
        unit.cells[1][1] = model.cells[0, 0][1][1] = tile.rng.getrandbits(tile.bits)
        unit.buffer[:] = [0] * len(unit.buffer)
        tile.running = tile.in_reset = 0
        while unit.busy:
            await FallingEdge(dut.clk)
        await ClockCycles(dut.clk, 2)
        await FallingEdge(dut.clk)

    spots = [memory_address(0, CELLS, 0, 0, 1, column) for column in range(4)]
    for how in ("run", "reset", "busy"):
        agree("windows", "first beat", OKAY, await bus.write(spots[0], 77, last=False))
        await disturb(how)
        # what comes after the disturbance is written, what came before is lost
        agree("windows", f"beat after {how}", OKAY, await bus.write(spots[2], 78, last=False))
        model.write(78, WHOLE, CELLS, 0, 0, 1, 2)
        # a burst of reads in between gets the error neither
        expected = model.read(CELLS, 0, 0, 1, 1)
        agree("windows", "read in between", expected, await bus.read(spots[1]))
        agree("windows", f"last beat after {how}", SLVERR, await bus.write(spots[3], 79))
        model.write(79, WHOLE, CELLS, 0, 0, 1, 3)
        model.check()
        agree("windows", "next burst", OKAY, await bus.write(spots[3], 80))
        model.write(80, WHOLE, CELLS, 0, 0, 1, 3)
        model.check()
        agree("windows", "first beat", model.read(CELLS, 0, 0, 1, 1),
                await bus.read(spots[1], last=False))  # fmt: skip
        await disturb(how)
        agree("windows", f"read after {how}", model.read(CELLS, 0, 0, 1, 1),
                await bus.read(spots[1]))  # fmt: skip


@cocotb.test()
async def core_that_starts_hangs_nothing(dut):
    """At any moment of an access the unit's ports may close, and stay closed."""
    rng, tile, _, bus = await ready(dut)
    errors = []

    async def close(after, how):
        await ClockCycles(dut.clk, after)
        if how == "shut":
            tile.shut = True
        elif how == "reset":
            tile.in_reset = 1
        else:
            tile.running = 1

    for how in ("shut", "run", "reset"):
        for after in (*range(0, 36, 1 if how != "shut" else 4), 60):
            closing = cocotb.start_soon(close(after, how))
            for last in (False, True):
                write = rng.random() < 0.5
                address = memory_address(0, CELLS, 0, 0, rng.randrange(4), rng.randrange(4))
                if write:
                    errors.append(await bus.write(address, rng.getrandbits(64), last=last))
                else:
                    errors.append((await bus.read(address, last=last))[1])
            await closing
            error = await bus.write(memory_address(0, CELLS, 0, 0, 0, 0), 1)
            agree("windows", f"error of closed ports, {how}", SLVERR, error)
            tile.shut, tile.running, tile.in_reset = False, 0, 0
            for unit in tile.units.values():
                unit.answer = None
            await ClockCycles(dut.clk, 20)
            await FallingEdge(dut.clk)
            error = await bus.write(memory_address(0, CELLS, 0, 0, 0, 0), 1)
            agree("windows", "error when they are open again", OKAY, error)
    assert {OKAY, SLVERR} == set(errors)


@cocotb.test()
async def memory_that_never_takes_a_program_hangs_nothing(dut):
    _, tile, _, bus = await ready(dut)
    tile.stall = 1.0
    error = await bus.write(memory_address(0, PROGRAM, 0, 0), 1)
    agree("windows", "error", SLVERR, error)
    tile.stall = 0.0
    agree("windows", "error", OKAY, await bus.write(memory_address(0, PROGRAM, 0, 0), 1))
    assert PATIENCE < 10_000
