"""What a host does with a core: it holds and steps it, and has it carry out instructions.

While a core is held its units go on, so what it waits for them differs. Where units are at work,
values are compared and no cycles.
"""

import random
from collections import Counter
from dataclasses import replace

import cocotb
import numpy as np
from cocotb.triggers import Timer

from cocotb_tests.bench import PERIOD_NS
from cocotb_tests.compare import compare
from cocotb_tests.console import Console
from cocotb_tests.core_driver import CoreDriver
from cocotb_tests.host import reset
from cocotb_tests.lockstep import Lockstep
from cocotb_tests.program_run import LIMIT, Rig, twin_of
from cocotb_tests.random_programs import generate
from models.analog.array import IdealArray
from models.system.core import Core, Status
from models.system.trace import Event
from panther.arch.core import GENERAL_BASE, SCALARS, Csr, Fault, csr_names
from panther.arch.isa import CORE_INSTRUCTIONS, decode
from panther.arch.mcu import InBank, Operation
from panther.arch.presets import core_preset
from panther.asm import assemble_text

CORE = "SMALL"
PATIENCE = 1500
"""Cycles an instruction may wait: more than all operations of a unit take."""
# the programs, by simulator, that are held, and stepped through
HELD = {"icarus": ("loops", "matrix"),
        "verilator": ("arithmetic", "loops", "memory", "matrix", "faults", "mixed")}  # fmt: skip
STEPPED = {"icarus": ("mixed",), "verilator": ("loops", "mixed", "faults")}
PAUSES = {"hold": 16, "release": 8, "step": 30, "execute": 80}
# their results go to register 0, or nowhere: a fault, or control flow
HARMLESS = """
        csrr    s0, seed
        sadd    s0, s5, 3
        vr.max  s0, r0, 40
        vr.sum  s0, m0.mvm_in, 9
        csrr    s0, m1.rows
        nop
        hlt
        vi.div  r0, r0, 0, 4, 0
"""
SURE = {
    "inv": "inv s0, 0, 8", "ld": "ld r0, s0, -1, 4\nld r0, s0, 0, 4", "st": "st r0, s0, 1, 4",
    "ld2": "ld2 r0, s0, 0, 4, 2, 8", "mcu": "mcu m0:mvm", "crs": "crs m1",
    "mcfg": "mcfg m0, rows, 9\nmcfg m0, rows, 99", "csrr": "csrr s1, m0.rows\ncsrr s1, 1200",
    "csr": "csr rounding, 0\ncsr cycle, 1", "vi.shl": "vi.shl r0, r0, 4, 3",
}  # fmt: skip
"""Words that the host carries out beside others at random."""
LEAST_PAUSES = (30, 30, 30)


def timeless(words):
    """Words without what depends on how long units are waited for."""
    found = []
    for word in words:
        item = decode(word)
        name, values = (item[0].mnemonic, item[1]) if item else ("", {})
        if name == "csrr" and values["id"] == Csr.CYCLE:
            word = item[0].encode(**values | {"id": Csr.RETIRED})
        elif name == "csr" and values["id"] == Csr.WATCHDOG and values["value"]:
            word = item[0].encode(**values | {"value": PATIENCE})
        found.append(word)
    return tuple(found)


class TimelessTwin:
    """A core at transaction level whose events all have cycle 0."""

    def __init__(self, core):
        self._core = core

    def __getattr__(self, name):
        return getattr(self._core, name)

    def events(self, event):
        rows = self._core.events(event).copy()
        if event is not Event.OPERATION:
            rows[:, 0] = 0
        return rows


class TimelessLockstep(Lockstep):
    """Compares values and their order, and how long operations take, but no cycles."""

    def _compare(self, rtl, until=None):
        for rows in rtl.values():
            rows[:, 0] = 0
        super()._compare(rtl, until)

    def _end(self, stop):
        self.twin.run(limit_instructions=stop.retired + 1)
        super()._end(replace(stop, cycle=self.twin.cycle))


class PausedRig(Rig):
    """Holds and steps the core at random while it runs a case."""

    async def prepare(self, case, arrays=None):
        case = replace(case, words=timeless(case.words))
        lockstep = await super().prepare(case, arrays)
        return TimelessLockstep(lockstep.rtl, TimelessTwin(lockstep.twin))


def simulator():
    return "verilator" if cocotb.SIM_NAME.startswith("Verilator") else "icarus"


def words_of(text):
    return assemble_text(text, core_preset(CORE)).words


def word_of(text):
    return words_of(text)[0]


async def driver_of(dut):
    params = core_preset(CORE)
    await reset(dut)
    driver = CoreDriver(dut.core0, params, [IdealArray(params.mcu) for _ in range(params.mcus)])
    driver.forget()
    console = Console(dut.core0)
    console.pause(hold=0, release=0, step=0, execute=0)
    return driver, console


def twin_for(text):
    params = core_preset(CORE)
    twin = Core(params, [IdealArray(params.mcu) for _ in range(params.mcus)], trace=True)
    twin.load(words_of(text))
    return twin


async def cycles(count):
    await Timer(count * PERIOD_NS, "ns")


async def held_at_start(driver, console, *, pc=0, limit=LIMIT):
    """Start a core that is to be held; returns the task that waits for its end."""
    await console.hold()
    running = cocotb.start_soon(driver.run(pc=pc, limit=limit))
    for _ in range(LIMIT):
        await cycles(8)
        if console.held:
            return running
    raise AssertionError("the core must be held at its start")


def differ(where, what, twin, rtl):
    assert twin == rtl, f"first divergence: {where}: {what} must be {twin}, not {rtl}"


@cocotb.test()
async def pauses_change_nothing(dut):
    params = core_preset(CORE)
    await reset(dut)
    rig = PausedRig(dut, params)
    console = Console(dut.core0)
    console.offer(words_of(HARMLESS))
    seed = cocotb.RANDOM_SEED
    for name in HELD[simulator()]:
        console.pause(**PAUSES)
        dut._log.info("%s %d", name, seed)
        await rig.run(generate(name, seed, CORE, params, size=60))
    console.pause(hold=0, release=0, step=0, execute=0)
    met = console.counts[:3]
    assert all(np.greater(met, LEAST_PAUSES)), f"holds, steps, instructions must be more than {met}"


@cocotb.test()
async def steps_and_instructions_of_the_host_agree(dut):
    """Between the steps of one program come the instructions of others."""
    params = core_preset(CORE)
    driver, console = await driver_of(dut)
    rng = random.Random(cocotb.RANDOM_SEED)
    met = Counter()
    for name in STEPPED[simulator()]:
        case = generate(name, cocotb.RANDOM_SEED + 1, CORE, params, size=60)
        case = replace(case, words=timeless(case.words))
        pool = []
        for other in ("arithmetic", "memory", "matrix", "mixed", "faults"):
            source = generate(other, cocotb.RANDOM_SEED + 2, CORE, params, size=300)
            pool += timeless(source.words[source.body : source.tail])
        pool += [item.encode(**item_values(item, rng, params)) for item in flow()]
        await reset(dut)
        twin = twin_of(case, params)
        arrays = [IdealArray(params.mcu) for _ in range(params.mcus)]
        for mcu, array in enumerate(arrays):
            array.cells = twin.cells(mcu)
        driver.use(arrays)
        driver.forget()
        await driver.load(case.words, case.bad_parity)
        await driver.clear(len(case.words))
        await driver.load_memory(twin.memory_words, twin.memory.valid, twin.memory.readers)
        running = await held_at_start(driver, console)
        twin.start()
        for number in range(case.body + 120):
            where = f"{name}, step {number} from pc {twin.pc}"
            await console.step()
            twin.run(limit_instructions=number + 1)
            rows = driver.take(Event.RETIRE)[:, 1:].tolist()
            differ(where, "retired", twin.events(Event.RETIRE)[:, 1:].tolist(), rows)
            differ(where, "held", twin.status is Status.RUNNING, console.held)
            if twin.status is not Status.HALTED:  # which has gone on behind its halt
                differ(where, "pc", twin.pc, console.pc)
            twin.forget_events()
            # a reset leaves registers alone, the program's first part sets them
            begun = twin.pc >= case.body
            for word in rng.choices(pool, k=rng.choice((0, 0, 1, 2)) * begun):
                await carry_out(console, twin, word, where, met)
            if twin.status is not Status.RUNNING:
                break
        for item in CORE_INSTRUCTIONS.values():
            alike = [word for word in pool if kind_of(word) == item.mnemonic]
            # addresses at random are seldom right
            alike = [*rng.sample(alike, min(2, len(alike))), *words_of(SURE.get(item.mnemonic, ""))]
            for word in alike:
                await carry_out(console, twin, word, f"{name}, in the end", met)
        await dump(driver, console, twin, name, met)
        if console.held:
            # nothing is left to be done that would keep the next start waiting
            await console.release()
        await running
    allowed = set(CORE_INSTRUCTIONS) - {item.mnemonic for item in flow()}
    missing = allowed - {kind for kind, fault in met if fault is Fault.NONE}
    assert not missing, f"the host must have carried out {sorted(missing)}"
    faults = {fault.name for _, fault in met}
    least = {"ILLEGAL", "REGISTER", "MEMORY", "ALIGNMENT", "CONFIG", "CSR"}
    assert faults >= least, f"the host must meet {sorted(least - faults)}"


def kind_of(word):
    """Mnemonic of a word, or nothing."""
    item = decode(word)
    return item[0].mnemonic if item else ""


def flow():
    """Instructions the host may not give."""
    return [
        item for item in CORE_INSTRUCTIONS.values()
        if item.field("target") or item.field("end") or item.mnemonic == "hlt"
    ]  # fmt: skip


def item_values(item, rng, params):
    ranges = {part.name: (part.least, part.greatest) for part in item.fields}
    return {name: rng.randint(least, most) for name, (least, most) in ranges.items()}


async def carry_out(console, twin, word, where, met):
    """One instruction on both."""
    where = f"{where}, {word:#018x} of the host"
    executed = await console.execute(word)
    fault = Fault.NONE
    try:
        twin.execute(word)
    except ValueError as error:
        fault = Fault[str(error).rpartition(" ")[2]]
    differ(where, "fault", fault, executed.fault)
    differ(where, "scalar", twin.scalar, executed.scalar)
    met[kind_of(word), fault] += 1


async def dump(driver, console, twin, where, met):
    """Read all there is by instructions of the host; the register file through the memory."""
    params = driver.params
    csrs = [number for number in csr_names(params).values() if number != Csr.CYCLE]
    for register in range(SCALARS):
        word = CORE_INSTRUCTIONS["sadd"].encode(sd=0, sa=register, imm=0)
        await carry_out(console, twin, word, f"{where}, s{register}", met)
        differ(where, f"s{register}", int(twin.scalars[register]), twin.scalar)
    for number in csrs:
        word = CORE_INSTRUCTIONS["csrr"].encode(sd=0, id=number)
        await carry_out(console, twin, word, f"{where}, csr {number}", met)
    places = [(GENERAL_BASE, params.registers)]
    places += [
        (params.xbar_in(mcu, bank), params.in_lines(bank))
        for mcu in range(params.mcus)
        for bank in InBank
    ]
    address = 0
    for first, length in places:
        word = CORE_INSTRUCTIONS["st"].encode(a=first, base=0, offset=address, len=length, plain=1)
        await carry_out(console, twin, word, f"{where}, words from {first}", met)
        found = twin.memory_words[address : address + length]
        assert (found == twin.registers[first : first + length]).all()
        address += length
    words, valid, readers = driver.memory
    compare(where, "words", twin.memory_words, words, ("address",))
    compare(where, "valid", twin.memory.valid, valid, ("group",))
    compare(where, "readers", twin.memory.readers, readers, ("group",))


CLOCK = """
        nop
        sset    s1, 3
        loop    3, end
        sadd    s2, s2, 1
        st      r0, s0, 0, 8, plain
end:    csrr    s3, cycle
        hlt
"""


@cocotb.test()
async def clock_stands_still(dut):
    """Without matrix units the very cycles agree, and an instruction of the host takes its own."""
    driver, console = await driver_of(dut)
    clock = word_of("csrr s0, cycle")
    twin = twin_for(CLOCK)
    await driver.load(words_of(CLOCK))
    differ(
        "before the first start",
        "cycle",
        twin.execute(clock),
        (await console.execute(clock)).scalar,
    )
    running = await held_at_start(driver, console)
    twin.start()
    for number in range(1, 20):
        assert console.held
        await cycles(number)
        differ(
            f"step {number}", "cycle", twin.execute(clock), (await console.execute(clock)).scalar
        )
        await console.step()
        if twin.run(limit_instructions=number) is not Status.RUNNING:
            break
    stop = await running
    differ("end", "stop", (Fault.NONE, 11, 7), (stop.fault, stop.retired, console.pc))
    differ("end", "cycle", twin.execute(clock), (await console.execute(clock)).scalar)
    differ("end", "retired", 11, (await console.execute(word_of("csrr s0, retired"))).scalar)
    base = (await console.execute(word_of("nop"))).cycles - 2
    for text, expected in (
        ("sset s1, 7", 2), ("v.add r0, r0, r0, 33", 12), ("vr.sum s0, r0, 8", 5),
        ("vi.div r0, r0, 3, 5, 0", 39), ("st r0, s0, 0, 12, plain", 6),
        ("ld r0, s0, 0, 12", 5 + driver.params.memory_cycles), ("hlt", 1), ("sset s0, -5", 2),
    ):  # fmt: skip
        executed = await console.execute(word_of(text))
        differ(text, "cycles", expected, executed.cycles - base)
    differ("sset s0", "scalar", (Fault.NONE, -5), (executed.fault, executed.scalar))


SIMPLE = """
        sset    s1, 1
        sset    s2, 2
        .word   0
        .org    8
        sset    s3, 3
        hlt
        .org    16
        mcu     m0:mvm
        v.mov   r0, m0.mvm_out, 4
        csrr    s0, cycle
        hlt
"""


@cocotb.test()
async def starts_and_holds_meet(dut):
    driver, console = await driver_of(dut)
    await driver.load(words_of(SIMPLE))

    # held before its first instruction, however long
    running = await held_at_start(driver, console)
    await cycles(50)
    differ("held start", "pc", (0, True, False), (console.pc, console.held, console.running))
    assert not len(driver.take(Event.RETIRE))
    await console.step()
    differ("one step", "pc", (1, True), (console.pc, console.held))
    # the host may replace what comes next, and is not too late
    await console.execute(word_of("sset s4, 44"))
    # a fault ends it, held or not, and is that of the program
    await console.release()
    stop = await running
    differ("fault", "stop", (Fault.ILLEGAL, 2, 2), (stop.fault, stop.pc, stop.retired))
    differ("fault", "held", (False, 2), (console.held, console.pc))
    executed = await console.execute(0)
    differ("after it", "fault of the host", Fault.ILLEGAL, executed.fault)
    # steps count while the core is held only
    await console.step()
    assert not console.held
    assert not len(driver.take(Event.RETIRE)[2:])

    # a held core that is started begins anew
    running = await held_at_start(driver, console, limit=100)
    await console.step()
    await running  # the bench gives up
    differ("held", "pc", (1, True), (console.pc, console.held))
    driver.take(Event.RETIRE)
    running = await held_at_start(driver, console, pc=8)
    differ("begins anew", "pc", 8, console.pc)
    await console.step()
    differ("begins anew", "retired", [8], driver.take(Event.RETIRE)[:, 1].tolist())
    await console.step()
    stop = await running
    differ("halted", "stop", (Fault.NONE, False), (stop.fault, console.held))

    # what a step waits for is what the unit still has to do
    waits = console.counts[3]
    await console.release()
    driver.take(Event.SCALAR)
    stop = await driver.run(pc=16)
    waited = console.counts[3] - waits
    # mcu 2 cycles, v.mov 4 and the wait, csrr reads in its second
    clock = (await console.execute(word_of("csrr s0, cycle"))).scalar
    differ("wait_matrix", "cycles", clock - (2 + 4 + 2 + 2), waited)
    assert waited > 100


@cocotb.test()
async def host_waits_for_a_core_that_runs(dut):
    driver, console = await driver_of(dut)
    await driver.load(words_of("loop 50, end\nnop\nend: sset s1, 9\nhlt"))
    await console.release()
    running = cocotb.start_soon(driver.run())
    await cycles(20)
    assert console.running
    executed = await console.execute(word_of("sadd s0, s1, 1"))
    differ("while it runs", "scalar", 10, executed.scalar)
    assert executed.cycles > 50
    assert not console.running
    await running

    # a start during an instruction waits for its end, and loses nothing
    for pause in range(1, 12):
        executing = cocotb.start_soon(console.execute(word_of("vi.div r0, r0, 3, 9, 0")))
        await cycles(pause)
        stop = await driver.run()
        await executing
        differ(f"start after {pause}", "retired", (Fault.NONE, 53), (stop.fault, stop.retired))


@cocotb.test()
async def units_of_a_held_core_go_on(dut):
    driver, console = await driver_of(dut)
    await driver.load(words_of("mcu m0:mvm+mtvm+opa, m1:mvm\nmcu m0:mvm\nhlt"))
    done = []
    await console.hold()
    running = cocotb.start_soon(
        driver.run(on_operation=lambda mcu, operation: done.append((mcu, operation)))
    )
    while not console.held:
        await cycles(8)
    await console.step()
    while len(done) < 4:
        await cycles(50)
    assert console.held
    expected = [(0, Operation.MVM), (0, Operation.MTVM), (0, Operation.OPA), (1, Operation.MVM)]
    assert sorted(done) == expected
    waits = console.counts[3]
    await console.step()
    await console.release()
    await running
    # the halt is all that waits: until the last multiplication is over
    assert len(done) == 5
    assert console.counts[3] > waits
