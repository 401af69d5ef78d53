"""Random programs: the compiled core against a plain one, written from docs/core.md alone."""

import numpy as np
import pytest

from golden.crs import crs
from golden.mvm import mtvm, mvm
from golden.opa import opa
from models.analog.array import IdealArray
from models.system.core import Core, Status
from models.system.load_store import make_load_store
from models.system.memory import make_memory
from models.system.trace import Event
from panther.arch.core import (
    CSR_CONFIG,
    CSR_COUNTERS,
    CSR_COUNTERS_STRIDE,
    GENERAL_BASE,
    LOOP_DEPTH,
    CoreParams,
    Csr,
    Fault,
    MemoryOp,
    csr_names,
)
from panther.arch.isa import INSTRUCTIONS, Function, Kind, Unit, decode
from panther.arch.mcu import ConfigKey, InBank, Operation, OutBank
from panther.arch.params import AdcParams, McuParams, SliceParams

MCU = McuParams(
    rows=8, columns=6, slices=SliceParams(value_bits=4, cell_bits=(5, 6, 5)),
    adc=AdcParams(per_slice=2),
)  # fmt: skip
PARAMS = CoreParams(
    mcu=MCU, mcus=2, registers=40, instructions=24, memory_words=64, memory_cycles=3
)
READER = 2
LIMIT = 150


class Stop(Exception):
    """The core stops: cause and cycle."""


def saturate(value):
    return min(max(value, -32768), 32767)


def wrap(value):
    return (value + 2**31) % 2**32 - 2**31


def lane(function, a, b, shift):
    """What a lane computes, before it saturates."""
    if function is Function.DIV:
        quotient = ((abs(a) << shift) + abs(b) // 2) // abs(b)
        return -quotient if (a < 0) != (b < 0) else quotient
    b = (b + 32768) % 65536 - 32768
    return {
        Function.ADD: lambda: a + b,
        Function.SUB: lambda: a - b,
        Function.RSUB: lambda: b - a,
        Function.MUL: lambda: (a * b + (1 << shift) // 2) >> shift,
        Function.AND: lambda: a & b,
        Function.OR: lambda: a | b,
        Function.ANDN: lambda: a & ~b,
        Function.CGT: lambda: -(a > b),
        Function.CEQ: lambda: -(a == b),
        Function.MAX: lambda: max(a, b),
        Function.MIN: lambda: min(a, b),
        Function.MOV: lambda: a,
        Function.SATG: lambda: 0 if (b, a < 0) == (32767, True) or (b, a > 0) == (-32768, True)
        else a,
        Function.SHL: lambda: a << shift,
        Function.SHR: lambda: (a + (1 << shift) // 2) >> shift,
    }[function]()  # fmt: skip


SCALAR = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b % 32,
    "shr": lambda a, b: a % 2**32 >> b % 32,
    "sra": lambda a, b: a >> b % 32,
    "slt": lambda a, b: a < b,
}
CONDITION = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "ge": lambda a, b: a >= b,
}


class Matrix:
    """A matrix unit of the plain core: pending operations until a cycle, in order."""

    def __init__(self, cells):
        self.cells = self.copies = cells
        self.words = {bank: [0] * PARAMS.in_lines(bank) for bank in InBank}
        self.results = {bank: [0] * PARAMS.out_lines(bank) for bank in OutBank}
        self.config = {
            ConfigKey.ROWS: MCU.rows, ConfigKey.COLUMNS: MCU.columns, ConfigKey.MVM_SHIFT: 0,
            ConfigKey.MTVM_SHIFT: 0, ConfigKey.EAGER: 0,
        }  # fmt: skip
        self.idle = 0
        self.in_use = {bank: 0 for bank in InBank}
        self.out_use = {bank: 0 for bank in OutBank}

    def start(self, operations, now):
        cycle = now + 1
        for operation in operations:
            lines = {Operation.MVM: ConfigKey.COLUMNS, Operation.MTVM: ConfigKey.ROWS}
            if operation in lines:
                count = self.config[lines[operation]]
                groups = -(-count // MCU.adc.per_slice)
                settle = MCU.timing.integrate_cycles
                cycle += 15 * max(groups, settle + 2) + groups + settle + 8
                transposed = operation is Operation.MTVM
                key = ConfigKey.MTVM_SHIFT if transposed else ConfigKey.MVM_SHIFT
                compute = mtvm if transposed else mvm
                word = np.array(self.words[InBank(operation)])
                read = self.copies if self.config[ConfigKey.EAGER] else self.cells
                product = compute(MCU, read, word, shift=self.config[key])
                bank = OutBank(operation)
                self.results[bank][:count] = product.y[:count].tolist()
                self.in_use[InBank(operation)] = self.out_use[bank] = cycle
            elif operation is Operation.OPA:
                cycle += 4 * 16 * MCU.timing.pulse_cycles + 3
                x, e = (
                    np.array(self.words[bank]) for bank in (InBank.OPA_ROWS, InBank.OPA_COLUMNS)
                )
                self.cells = opa(MCU, self.cells, x, e).cells
                self.in_use[InBank.OPA_ROWS] = self.in_use[InBank.OPA_COLUMNS] = cycle
            else:
                rows, columns = self.config[ConfigKey.ROWS], self.config[ConfigKey.COLUMNS]
                groups = -(-columns // MCU.adc.per_slice)
                timing = MCU.timing
                cycle += rows * (groups + timing.integrate_cycles + timing.program_cycles + 5) + 2
                resolved = crs(MCU, self.cells).cells
                self.cells, self.copies = self.cells.copy(), self.copies.copy()
                for row in range(rows):
                    loaded = groups * MCU.adc.per_slice
                    for cells in (self.cells, self.copies):
                        cells[:, row, :loaded] = resolved[:, row, :loaded]
        self.idle = cycle


class Plain:
    """One instruction after the other, one word after the other."""

    def __init__(self, words, cells, memory, valid, readers):
        self.words = words
        self.units = [Matrix(item) for item in cells]
        self.general = [0] * PARAMS.registers
        self.scalars = [0] * 32
        self.memory, self.valid, self.readers = list(memory), list(valid), list(readers)
        self.csrs = {Csr.ROUNDING: 0, Csr.SEED: 1, Csr.WATCHDOG: 1 << 20, Csr.SATURATED: 0}
        self.loops = []
        self.pc = self.cycle = self.retired = 0
        self.status, self.fault = Status.RUNNING, Fault.NONE
        self.events = {event: [] for event in Event}

    # ---- register file

    def place(self, address):
        """List, index and what to wait for when writing and reading; None if nothing is there."""
        if address >= GENERAL_BASE:
            return self.general, address - GENERAL_BASE, None
        if address >= 4096:
            m, rest = divmod(address - 4096, 256)
            bank = OutBank(rest // 128)
            return (self.units[m].results[bank], rest % 128, (m, bank)) if m < 2 else None
        m, rest = divmod(address, 512)
        bank = InBank(rest // 128)
        return (self.units[m].words[bank], rest % 128, (m, bank)) if m < 2 else None

    def is_inside(self, address, count, write=False):
        place = self.place(address)
        if place is None or (write and 4096 <= address < GENERAL_BASE):
            return False
        return place[1] + count <= len(place[0])

    def free(self, address, write):
        """Cycle from which on the bank may be written or read."""
        _, _, use = self.place(address)
        if use is None or isinstance(use[1], InBank) != write:
            return 0
        m, bank = use
        return self.units[m].in_use[bank] if write else self.units[m].out_use[bank]

    def get(self, address):
        values, index, _ = self.place(address)
        return values[index]

    def put(self, address, values, cycle):
        for i, value in enumerate(values):
            into, index, _ = self.place(address + i)
            into[index] = value
        packed = sum((value & 0xFFFF) << 16 * i for i, value in enumerate(values))
        self.events[Event.VECTOR].append([cycle, address, len(values), packed])

    # ---- an instruction

    def run(self, limit):
        while self.status is Status.RUNNING and self.retired < limit:
            try:
                self.step()
            except Stop as stop:
                self.fault, self.cycle = stop.args
                self.status = Status.FAULTED

    def check(self, fault, bad, cycle):
        if bad:
            raise Stop(fault, cycle)

    def wait(self, until):
        """Wait in X; the watchdog may stop it."""
        late = max(until - self.x, 0)
        self.check(Fault.WATCHDOG, late > self.patience, self.x + self.patience)
        self.patience -= late
        self.x += late

    def step(self):
        decoded_in = self.cycle
        self.check(Fault.PC, self.pc >= PARAMS.instructions, decoded_in)
        word = self.words[self.pc] if self.pc < len(self.words) else 0
        found = decode(word)
        illegal = found is None or found[0].unit is Unit.TILE
        self.check(Fault.ILLEGAL, illegal, decoded_in)
        self.item, self.f = found
        self.x = decoded_in + 1
        self.patience = self.csrs[Csr.WATCHDOG]
        self.next, self.jumps = self.pc + 1, False
        self.done = None
        name, _, variant = self.item.mnemonic.partition(".")
        if self.item.unit is Unit.VECTOR:
            self.vector()
        elif self.item.unit is Unit.MEMORY:
            self.transfer(name)
        else:
            getattr(self, f"do_{name}")(*[variant] if variant else [])
        done = self.x if self.done is None else self.done
        self.events[Event.RETIRE].append([done, self.pc, word & 0xFFFFFFFF, word >> 32])
        self.retired += 1
        self.cycle = done + (self.status is Status.RUNNING)
        self.go_on()

    def go_on(self):
        if self.jumps:
            while self.loops and not self.loops[-1][0] <= self.next < self.loops[-1][1]:
                self.loops.pop()
        else:
            while self.loops and self.loops[-1][1] == self.next:
                if self.loops[-1][2] > 1:
                    self.loops[-1][2] -= 1
                    self.next = self.loops[-1][0]
                    break
                self.loops.pop()
        self.pc = self.next

    def set_scalar(self, register, value, cycle):
        if register:
            self.scalars[register] = wrap(value)
            self.events[Event.SCALAR].append([cycle, register, value % 2**32])

    # ---- control and scalar

    def do_nop(self):
        pass

    def do_hlt(self):
        self.wait(max(unit.idle for unit in self.units))
        self.status = Status.HALTED

    def do_jmp(self):
        self.next, self.jumps = self.f["target"], True

    def do_br(self, condition):
        if CONDITION[condition](self.scalars[self.f["sa"]], self.scalars[self.f["sb"]]):
            self.do_jmp()

    def do_loop(self, count=None):
        count = self.f["count"] if count is None else count
        end = self.f["end"]
        self.check(Fault.LOOP_RANGE, end <= self.pc + 1 or end > PARAMS.instructions, self.x)
        if count <= 0:
            self.next = end
        else:
            self.check(Fault.LOOP_DEPTH, len(self.loops) == LOOP_DEPTH, self.x)
            self.loops.append([self.pc + 1, end, count])

    def do_loops(self):
        self.do_loop(self.scalars[self.f["sb"]])

    def do_csr(self):
        key, value = self.f["id"], self.f["value"]
        bad = key not in self.csrs or (key == Csr.ROUNDING and value > 1)
        bad |= key in (Csr.SEED, Csr.WATCHDOG) and value == 0
        self.check(Fault.CSR, bad, self.x)
        self.csrs[key] = value

    def do_csrr(self):
        key = self.f["id"]
        self.check(Fault.CSR, key not in csr_names(PARAMS).values(), self.x)
        own = {Csr.CYCLE: self.x, Csr.RETIRED: self.retired}
        if key >= CSR_COUNTERS:
            unit, n = divmod(key - CSR_COUNTERS, CSR_COUNTERS_STRIDE)
            self.wait(self.units[unit].idle)
            own[key] = self.units[unit].config.get(n - CSR_CONFIG, 0)
        self.set_scalar(self.f["sd"], (self.csrs | own).get(key, 0), self.x)

    def do_sset(self):
        self.set_scalar(self.f["sd"], self.f["imm"], self.x)

    def do_sadd(self):
        self.set_scalar(self.f["sd"], self.scalars[self.f["sa"]] + self.f["imm"], self.x)

    def do_salu(self, function):
        a, b = self.scalars[self.f["sa"]], self.scalars[self.f["sb"]]
        self.set_scalar(self.f["sd"], int(SCALAR[function](a, b)), self.x)

    # ---- vectors

    def vector(self):
        f, function = self.f, self.item.lane
        length = f["len"]
        sources = [f[name] for name in "ab" if name in f]
        bad = any(not self.is_inside(source, length) for source in sources)
        bad |= "d" in f and not self.is_inside(f["d"], length, write=True)
        self.check(Fault.REGISTER, bad, self.x)
        overlap = "d" in f and any(a < f["d"] < a + length for a in sources)
        self.check(Fault.OVERLAP, overlap, self.x)
        scalar = self.scalars[f["sb"]] if "sb" in f else f.get("imm", 0)
        self.check(Fault.DIVISION, function is Function.DIV and scalar == 0, self.x)
        until = [self.free(source, False) for source in sources]
        self.wait(max([*until, self.free(f["d"], True) if "d" in f else 0]))
        groups = -(-length // 4)
        step = 18 if function is Function.DIV else 1
        if "sd" in f:
            words = [self.get(f["a"] + i) for i in range(length)]
            self.done = self.x + groups + 1
            self.set_scalar(
                f["sd"], sum(words) if function is Function.SUM else max(words), self.done
            )
            return
        for g in range(groups):
            values = []
            for i in range(4 * g, min(4 * g + 4, length)):
                a = self.get(f["a"] + i) if "a" in f else scalar
                b = self.get(f["b"] + i) if "b" in f else scalar
                exact = lane(function, a, b, f.get("shift", 0))
                values.append(saturate(exact))
                self.csrs[Csr.SATURATED] += values[-1] != exact
            self.done = self.x + step + 1 + step * g
            self.put(f["d"] + 4 * g, values, self.done)
        self.csrs[Csr.SATURATED] %= 2**32

    # ---- memory

    def transfer(self, name):
        f = self.f
        first = self.scalars[f["base"]] + f["offset"]
        rows, length = f.get("rows", 1), f["len"]
        starts = [first + row * f.get("stride", 0) for row in range(rows)]
        address = f.get("d", f.get("a"))
        if address is not None:
            inside = self.is_inside(address, rows * length, write=name != "st")
            self.check(Fault.REGISTER, not inside, self.x)
        outside = any(not 0 <= at <= PARAMS.memory_words - length for at in starts)
        self.check(Fault.MEMORY, outside, self.x)
        plain, take = f.get("plain", 0), f.get("take", 0)
        synchronised = take or name == "inv" or (name == "st" and not plain)
        self.check(Fault.ALIGNMENT, synchronised and any(at % 4 for at in starts), self.x)
        if address is not None:
            self.wait(self.free(address, name != "st"))
        offered = self.x + (2 if name == "st" else 1)
        op = {"st": MemoryOp.STORE, "inv": MemoryOp.RELEASE}.get(name, MemoryOp.LOAD)
        for at in starts:
            words = list(range(at, at + length))
            while words:
                group = words[0] // 4
                chunk = [word for word in words if word // 4 == group]
                words = words[len(chunk) :]
                data = [self.get(address + i) for i in range(len(chunk))] if name == "st" else []
                if not self.accept(op, group, chunk, data, take, plain):
                    raise Stop(Fault.WATCHDOG, offered + self.patience)
                mask = sum(1 << word % 4 for word in chunk)
                packed = sum(
                    (v & 0xFFFF) << 16 * (w % 4) for w, v in zip(chunk, data, strict=False)
                )
                packed -= (packed >> 63) << 64
                self.events[Event.REQUEST].append(
                    [offered, op, group, mask, take, plain, f.get("readers", 0), packed]
                )
                self.done = offered
                if op is MemoryOp.LOAD:
                    self.done = offered + PARAMS.memory_cycles
                    self.put(address, [self.memory[word] for word in chunk], self.done)
                if address is not None:
                    address += len(chunk)
                offered += 1

    def accept(self, op, group, chunk, data, take, plain):
        if op is MemoryOp.LOAD:
            if not self.valid[group] or (take and not self.readers[group] >> READER & 1):
                return False
            if take:
                self.readers[group] &= ~(1 << READER)
                self.valid[group] = self.readers[group] != 0
        elif op is MemoryOp.STORE:
            if self.valid[group] and not plain:
                return False
            for word, value in zip(chunk, data, strict=True):
                self.memory[word] = value
            self.valid[group], self.readers[group] = True, 0 if plain else self.f["readers"]
        else:
            self.valid[group], self.readers[group] = False, 0
        return True

    # ---- matrix units

    def start_units(self, chosen):
        self.check(Fault.MASK, any(m >= len(self.units) for m in chosen), self.x)
        self.wait(max(self.units[m].idle for m in chosen))
        for m, operations in chosen.items():
            self.units[m].start(operations, self.x)

    def do_mcu(self):
        bits = self.f["operations"]
        chosen = {m: [Operation(n) for n in range(3) if bits >> 3 * m + n & 1] for m in range(8)}
        self.start_units({m: operations for m, operations in chosen.items() if operations})

    def do_crs(self):
        self.start_units({m: [Operation.CRS] for m in range(8) if self.f["mcus"] >> m & 1})

    def do_mcfg(self):
        m, key, value = (self.f[name] for name in ("mcu", "key", "value"))
        self.check(Fault.MASK, m >= len(self.units), self.x)
        unit = self.units[m]
        self.wait(unit.idle)
        if key == ConfigKey.CLEAR_COUNTERS:
            return
        low, high = {
            ConfigKey.ROWS: (1, MCU.rows), ConfigKey.COLUMNS: (1, MCU.columns),
            ConfigKey.MVM_SHIFT: (0, MCU.sum_bits - 1), ConfigKey.MTVM_SHIFT: (0, MCU.sum_bits - 1),
            ConfigKey.EAGER: (0, 1),
        }.get(key, (1, 0))  # fmt: skip
        self.check(Fault.CONFIG, not low <= value <= high, self.x)
        unit.config[ConfigKey(key)] = value


# ---- programs


TABLES = {Function.EXP, Function.SIGMOID, Function.TANH, Function.LOG, Function.RECIP}
LAST = PARAMS.instructions - 1
NAMES = [name for name, item in INSTRUCTIONS.items() if item.lane not in TABLES]


WATCHDOGS = (300, 1000, 9000)
ODDITY = 0.004
"""How often a field has any value."""


def vector_address(rng, part, words):
    """Where so many words fit."""
    spaces = [(GENERAL_BASE, PARAMS.registers)] * 4
    for m in range(PARAMS.mcus):
        spaces += [(PARAMS.xbar_in(m, bank), PARAMS.in_lines(bank)) for bank in InBank]
        if part.name != "d":
            spaces += [(PARAMS.xbar_out(m, bank), PARAMS.out_lines(bank)) for bank in OutBank] * 2
    spaces = [(first, size) for first, size in spaces if size >= words]
    first, size = spaces[rng.integers(len(spaces))]
    return first + int(rng.integers(size - words + 1))


def field_value(rng, item, part, here, words):
    """A value that is a legal one, but for an oddity."""
    if rng.random() < ODDITY:
        return int(rng.integers(part.least, part.greatest + 1))
    if part.kind is Kind.VECTOR:
        return vector_address(rng, part, words)
    if part.name == "target":
        # mostly ahead, or the program goes round and round
        return min(here + 1 + int(rng.integers(-3 if rng.random() < 0.1 else 0, 4)), LAST)
    if part.name == "end":
        return min(here + 2 + int(rng.integers(0, 6)), LAST + 1)
    if part.name == "id":
        key = int(rng.choice(list(csr_names(PARAMS).values())))
        return key if item.mnemonic == "csrr" else Csr.SATURATED
    small = {
        "base": (5, 7), "sd": (0, 4), "sb": (0, 7), "sa": (0, 7), "count": (0, 3), "offset": (0, 7),
        "rows": (1, 2), "stride": (0, 4), "mcu": (0, 1), "key": (0, 4), "operations": (1, 63),
        "mcus": (1, 3), "value": (1, 6), "readers": (0, 15),
    }  # fmt: skip
    low, high = small.get(part.name, (part.least, part.greatest))
    if part.name == "imm" and rng.random() < 0.5:
        low, high = -8, 8
    value = int(rng.integers(low, high + 1))
    return 4 * value if part.name in ("offset", "stride") and rng.random() < 0.8 else value


def is_sound(values, item):
    """Whether it is no fault that can be told from the word; scalar registers may be 0."""
    sources = [values[name] for name in "ab" if name in values]
    overlaps = "d" in values and any(a < values["d"] < a + values["len"] for a in sources)
    divides = item.lane is Function.DIV and (values.get("imm") == 0 or values.get("sb", 5) < 5)
    synchronised = item.mnemonic in ("st", "inv") or values.get("take")
    aligned = not synchronised or values["offset"] % 4 == values.get("stride", 0) % 4 == 0
    return not overlaps and not divides and aligned


def random_program(rng):
    encode = {name: item.encode for name, item in INSTRUCTIONS.items()}
    words = [encode["csr"](id=Csr.WATCHDOG, value=int(rng.choice(WATCHDOGS)))]
    words += [encode["sset"](sd=n, imm=int(rng.choice([0, 4, 8]))) for n in (5, 6, 7)]
    while len(words) < LAST:
        if rng.random() < ODDITY:
            words.append(int(rng.integers(0, 2**64, dtype=np.uint64)))
            continue
        item = INSTRUCTIONS[rng.choice(NAMES)]
        if item.mnemonic in ("hlt", "send", "recv") and rng.random() < 0.95:
            continue
        length = int(rng.choice([1, 2, 3, 4, 5, 6]))
        values = {}
        for part in item.fields:
            values[part.name] = field_value(rng, item, part, len(words), 2 * length)
        if "len" in values and rng.random() > ODDITY:
            values["len"] = length
        if is_sound(values, item) or rng.random() < 5 * ODDITY:
            words.append(item.encode(**values))
    return [*words, encode["hlt"]()]


def machines(seed):
    """The same machine twice, with the same program."""
    rng = np.random.default_rng(seed)
    words = random_program(rng)
    cells = [rng.integers(-8, 8, (3, 8, 6), dtype=np.int16) for _ in range(PARAMS.mcus)]
    arrays = [IdealArray(MCU) for _ in cells]
    for array, item in zip(arrays, cells, strict=True):
        array.cells = item
    port = make_load_store(PARAMS, make_memory(PARAMS.memory_words), READER)
    core = Core(PARAMS, arrays, port=port, trace=True)
    core.load(words)
    core.memory_words[:] = rng.integers(-32768, 32768, PARAMS.memory_words)
    groups = PARAMS.memory_words // 4
    core.memory.valid[:] = rng.random(groups) < 0.95
    core.memory.readers[:] = (rng.integers(0, 16, groups) | 4) * core.memory.valid
    plain = Plain(
        words, cells, core.memory_words.tolist(), core.memory.valid.tolist(),
        core.memory.readers.tolist(),
    )  # fmt: skip
    return core, plain


@pytest.mark.parametrize("seed", range(300))
def test_random_program(seed):
    core, plain = machines(seed)
    core.start()
    core.run(limit_instructions=LIMIT)
    plain.run(LIMIT)
    assert (core.status, core.fault, core.pc) == (plain.status, plain.fault, plain.pc)
    assert (core.cycle, core.retired) == (plain.cycle, plain.retired)
    for event in (Event.RETIRE, Event.SCALAR, Event.VECTOR, Event.REQUEST):
        rows = np.array(plain.events[event], np.uint64).astype(np.int64).tolist()
        assert core.events(event).tolist() == rows, event
    assert core.scalars.tolist() == plain.scalars
    assert core.registers[GENERAL_BASE : GENERAL_BASE + 40].tolist() == plain.general
    for m, unit in enumerate(plain.units):
        assert (core.cells(m) == unit.cells).all()
        for bank in OutBank:
            assert core.xbar_out(m, bank).tolist() == unit.results[bank]
        for bank in InBank:
            first = PARAMS.xbar_in(m, bank)
            words = core.registers[first : first + PARAMS.in_lines(bank)]
            assert words.tolist() == unit.words[bank]
    assert core.memory_words.tolist() == plain.memory
    assert core.memory.valid.tolist() == plain.valid
    assert core.memory.readers.tolist() == plain.readers
    assert core.csr(Csr.SATURATED) == plain.csrs[Csr.SATURATED]


def test_random_programs_reach_everything():
    faults, names = set(), set()
    for seed in range(300):
        _, plain = machines(seed)
        plain.run(LIMIT)
        faults.add(plain.fault)
        for _, _, low, high in plain.events[Event.RETIRE]:
            names.add(decode(low | high << 32)[0].mnemonic)
    assert len(faults) > 8
    assert names >= {name for name in NAMES if INSTRUCTIONS[name].unit is not Unit.TILE}
