"""Sequencer against its twin: random programs, send and receive units that take their time."""

import random
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.designs import node_parameters
from cocotb_tests.drivers import corner, start
from cocotb_tests.pins import compare_pins
from models.system import sequencer
from models.system.instruction_memory import load_tile_program
from models.system.receive_unit import Receiving, make_receive_unit
from models.system.send_unit import Sending, make_send_unit
from models.system.sequencer import Sequencing, make_sequencer
from panther.arch.core import ADDRESS_BITS, LANES, SCALARS, Csr
from panther.arch.isa import INSTRUCTION_BITS, TILE_PROGRAM_INSTRUCTIONS, Field
from panther.arch.tile import TileFault, TileWait

CYCLES, PATIENCE = 3000, 30000
LONGEST = 150
"""Cycles after which a run is stopped by a row from a wrong tile."""
LONGEST_PROGRAM = 60
NUMBER = 0
"""Tile whose sequencer this is, in the twin."""
LAST = SCALARS - 1
INPUTS = (
    "i_program__valid", "i_program__payload", "start", "start_pc", "hold", "step",
    "send_idle", "receive_idle", "send_fault", "send_pc", "receive_fault", "receive_pc",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What disturbs a program."""

    done: float = 0.2
    """Chance of a unit that is busy to become idle in a cycle."""
    fault: float = 0.0
    """Chance of a unit that is busy to stop."""
    hold: float = 0.0
    """Chance of a hold to begin."""
    odd: float = 0.01
    """Chance of a word that is not as it should be."""


class Writer:
    """Writes a random program."""

    def __init__(self, rng: random.Random, odd: float) -> None:
        self.rng, self.odd = rng, odd
        self.params = node_parameters()
        self.size = rng.randint(10, min(LONGEST_PROGRAM, self.params.tile.instructions))
        self.words: list[int] = []

    def program(self) -> list[int]:
        rng = self.rng
        self.put("sset", sd=LAST, imm=self.params.tile.core.memory_words - LANES)
        while len(self.words) < self.size:
            if rng.random() < 0.15:
                self.show()
            else:
                often = ("send", "recv", "recv", "recv", "recv", "loop")
                name = rng.choice((*often, *TILE_PROGRAM_INSTRUCTIONS))
                self.put(name)
        self.words = self.words[: self.size]
        if rng.random() < 0.7:
            self.words[-1] = TILE_PROGRAM_INSTRUCTIONS["hlt"].encode()
        return self.words

    def show(self) -> None:
        """Send from an address that tells what is in a register or a counter."""
        register = self.rng.randrange(SCALARS)
        if self.rng.random() < 0.5:
            register = 1
            self.put("csrr", sd=1, id=self.rng.choice((Csr.CYCLE, Csr.RETIRED, Csr.WATCHDOG)))
        self.put("sset", sd=2, imm=self.rng.choice((0, 2, 2, 14)))
        self.put(self.rng.choice(("salu.shr", "salu.shl")), sd=2, sa=register, sb=2)
        self.put("salu.and", sd=2, sa=2, sb=LAST)
        self.put("send", base=2, offset=0, len=1, tile=0, fifo=0)

    def put(self, name: str, **values: int) -> None:
        item = TILE_PROGRAM_INSTRUCTIONS[name]
        for part in item.fields:
            if part.name not in values:
                values[part.name] = self.field(name, part)
        word = item.encode(**values)
        if self.rng.random() < self.odd:
            word ^= 1 << self.rng.randrange(INSTRUCTION_BITS)
        self.words.append(word)

    def field(self, name: str, part: Field) -> int:
        rng, at = self.rng, len(self.words)
        # in a shift or a register any value is as good as another
        matters = part.name in ("end", "id", "tile", "fifo")
        if rng.random() < (4 * self.odd if matters else self.odd):
            return corner(rng, part.least, part.greatest)
        size = self.params.tile.core.memory_words
        choices = {
            "target": (min(at + rng.randint(1, 5), self.size - 1), rng.randrange(self.size)),
            "end": (min(at + rng.choice((2, 2, 3, 5)), self.params.tile.instructions),),
            "count": (0, 1, 2, 3),
            "id": (Csr.WATCHDOG, Csr.WATCHDOG if name == "csr" else Csr.CYCLE),
            "value": (1, 2, 5, 40, 40),
            "imm": (LANES * rng.randrange(size // LANES), 0, 1, -1) if name == "sset" else (0, 4),
            "offset": (0, 0, 4, -4),
            "len": (1, 4, rng.randint(1, 40)),
            "tile": (rng.randrange(self.params.tiles),),
            "fifo": (rng.randrange(self.params.tile.fifos),),
            "base": (0, 0, 0, 3, 4),
        }.get(part.name, (rng.randint(part.least, part.greatest),))
        if part.name in ("sd", "sa", "sb"):
            choices = (0, 3, 4, 5, rng.randrange(SCALARS - 1))
        return rng.choice(choices)


class Bench:
    """Runs programs, and plays send and receive unit."""

    def __init__(self, dut, rng: random.Random, habits: Habits) -> None:
        self.dut, self.rng, self.habits = dut, rng, habits
        self.params = node_parameters()
        empty = load_tile_program(self.params, np.zeros(0, np.uint64))
        self.twin = make_sequencer(self.params, empty.rows)
        self.sender = make_send_unit(self.params)
        self.receiver = make_receive_unit(self.params)
        self.now = self.begun = 0
        self.held = self.hold = self.patched = False
        self.faults: set[TileFault] = set()
        self.halts = self.sent = self.received = self.steps = self.late = self.between = (
            self.patches
        ) = 0

    @property
    def state(self) -> np.ndarray:
        return self.twin.state[NUMBER]

    @property
    def running(self) -> bool:
        return bool(self.state[Sequencing.RUNNING])

    async def clear(self) -> None:
        """Forget registers and program of the test before; a reset does not."""
        for first in (0, SCALARS // 2):
            registers = range(first, first + SCALARS // 2)
            sset, hlt = (TILE_PROGRAM_INSTRUCTIONS[name] for name in ("sset", "hlt"))
            words = [sset.encode(sd=register, imm=0) for register in registers]
            words += [hlt.encode()] + [0] * (LONGEST_PROGRAM - len(registers) - 1)
            await self.load(words[: self.params.tile.instructions], 0.0)
            await self.tick("clear, start", starts=True, at=0)
            while self.running:
                await self.tick("clear", starts=False)

    async def load(self, words: list[int], odd: float) -> None:
        """Another program; whatever the units do meanwhile."""
        dut, rng = self.dut, self.rng
        inverted = {n for n in range(len(words)) if rng.random() < odd / 4}
        for address, word in enumerate(words):
            dut.i_program__valid.value = 1
            dut.i_program__payload.value = (
                address | word << ADDRESS_BITS | (address in inverted) << ADDRESS_BITS + 64
            )
            await self.tick(f"cycle {self.now}, loading", starts=False)
        dut.i_program__valid.value = 0
        program = load_tile_program(self.params, np.array(words, np.uint64), inverted)
        self.twin.rows[NUMBER, : len(words)] = program.rows[: len(words)]

    async def patch(self) -> None:
        """Another instruction where the sequencer is held, and goes on."""
        dut, address = self.dut, int(self.twin.pc[NUMBER, 0])
        if address >= self.params.tile.instructions:
            return
        writer = Writer(self.rng, 0.0)
        writer.put(self.rng.choice(("nop", "sset", "recv")))
        dut.i_program__valid.value = 1
        dut.i_program__payload.value = address | writer.words[0] << ADDRESS_BITS
        self.patched = True
        await self.tick(f"cycle {self.now}, patched", starts=False)
        dut.i_program__valid.value = 0
        program = load_tile_program(self.params, np.array(writer.words, np.uint64))
        self.twin.rows[NUMBER, address] = program.rows[0]
        self.patched = False
        self.patches += 1

    async def tick(self, where: str, *, starts: bool, at: int | None = None) -> None:
        """One cycle; a start may be at any address."""
        dut, rng, twin, now = self.dut, self.rng, self.twin, self.now
        state = self.state
        sender, receiver = self.sender.state[NUMBER], self.receiver.state[NUMBER]
        sends, receives = bool(sender[Sending.BUSY]), bool(receiver[Receiving.BUSY])
        if rng.random() < (0.1 if self.hold else self.habits.hold):
            self.hold = not self.hold
        step = rng.random() < 0.2 and not self.patched
        self.hold |= self.patched
        start_pc = rng.choice((0, 0, 0, rng.randrange(40), self.params.tile.instructions))
        if at is not None:
            start_pc = at
        dut.hold.value, dut.step.value = self.hold, step
        dut.start.value, dut.start_pc.value = starts, start_pc
        dut.send_idle.value = not sends and now >= int(sender[Sending.QUIET])
        dut.receive_idle.value = not receives
        send_fault = receive_fault = TileFault.NONE
        if sends and rng.random() < self.habits.fault:
            send_fault = TileFault.WATCHDOG
        if receives and rng.random() < self.habits.fault:
            receive_fault = rng.choice((TileFault.WATCHDOG, TileFault.MESSAGE))
        elif rng.random() < self.habits.fault / (10 if self.running else 1):
            receive_fault = TileFault.SENDER
        elif self.running and now > self.begun + LONGEST:
            receive_fault = TileFault.SENDER
        dut.send_fault.value, dut.send_pc.value = send_fault, int(sender[Sending.PC])
        dut.receive_fault.value = receive_fault
        dut.receive_pc.value = int(receiver[Receiving.PC])

        golden = {
            "running": self.running and not self.held, "held": self.held,
            "watchdog": state[Sequencing.WATCHDOG], "fault": state[Sequencing.FAULT],
            "i_program__ready": 1,
        }  # fmt: skip
        if self.running:
            golden["pc"] = twin.pc[NUMBER, 0]
            golden["cycle"] = now - state[Sequencing.ORIGIN]
        if state[Sequencing.FAULT]:
            golden["fault_pc"] = state[Sequencing.FAULT_PC]
            golden["fault_cycle"] = state[Sequencing.FAULT_CYCLE]
        self.advance(sends, receives, send_fault, receive_fault, step, starts)
        if starts and not golden["running"]:
            self.begin(start_pc)
        golden["waiting"] = state[Sequencing.WAIT] == TileWait.UNIT and golden["running"]
        golden["send"] = not sends and sender[Sending.BUSY]
        golden["receive"] = not receives and receiver[Receiving.BUSY]
        words = {}
        if golden["send"]:
            golden |= {"pc": sender[Sending.PC], "group": sender[Sending.GROUP]}
            golden |= {"tile": sender[Sending.TILE], "fifo": sender[Sending.FIFO]}
            words["groups"] = int(sender[Sending.LEFT])
            self.sent += 1
        if golden["receive"]:
            golden |= {"pc": receiver[Receiving.PC], "group": receiver[Receiving.GROUP]}
            golden |= {"words": receiver[Receiving.WORDS], "fifo": receiver[Receiving.FIFO]}
            golden["readers"] = receiver[Receiving.READERS]
            self.received += 1

        await RisingEdge(dut.clk)
        compare_pins("Sequencer", where, dut, **golden)
        if words:
            groups = (dut.words.value.to_unsigned() + LANES - 1) // LANES
            assert groups == words["groups"], f"{where}: {words} must be sent, not {groups}"
        await FallingEdge(dut.clk)

        if sends and (send_fault or rng.random() < self.habits.done):
            sender[Sending.BUSY] = 0
            if send_fault:
                sender[Sending.QUIET] = now + rng.choice((0, 1, 5))
        if receives and (
            receive_fault not in (TileFault.NONE, TileFault.SENDER)
            or rng.random() < self.habits.done
        ):
            receiver[Receiving.BUSY] = 0
        if state[Sequencing.FAULT] and not golden["fault"]:
            self.faults.add(TileFault(int(state[Sequencing.FAULT])))
            self.between += not golden["running"] and not golden["held"]
        self.now += 1

    def advance(self, sends, receives, send_fault, receive_fault, step, starts) -> None:
        """The twin's cycle; it knows nothing of holds."""
        state, twin, now = self.state, self.twin, self.now
        if self.held:
            fault = send_fault or receive_fault
            if fault and not state[Sequencing.FAULT]:
                where = self.twin.pc[NUMBER, 0]
                if send_fault:
                    where = self.sender.state[NUMBER, Sending.PC]
                elif receive_fault != TileFault.SENDER:
                    where = self.receiver.state[NUMBER, Receiving.PC]
                state[Sequencing.FAULT], state[Sequencing.FAULT_PC] = fault, where
                state[Sequencing.FAULT_CYCLE] = now - state[Sequencing.ORIGIN]
            if fault:
                state[Sequencing.RUNNING] = self.held = starts
                return
            self.steps += self.hold and step
            self.held = starts or (self.hold and not step)
            return
        was_running, was_x = self.running, bool(state[Sequencing.X])
        sequencer.step(
            twin, self.sender, self.receiver, NUMBER, sends, receives,
            send_fault, receive_fault, now,
        )  # fmt: skip
        if self.running:
            self.held = self.hold and (not was_running or (was_x and not state[Sequencing.X]))
        elif was_running:
            self.halts += not state[Sequencing.FAULT]
        if self.running and not was_running:
            self.begun = now
            self.late += 1

    def begin(self, pc: int) -> None:
        """A start in this cycle."""
        state = self.state
        if self.running:
            state[Sequencing.END] = self.now + 1
        state[Sequencing.RUNNING] = 0
        self.held = False
        sequencer.start(self.twin, self.sender, self.receiver, NUMBER, pc, self.now + 1)
        self.begun = self.now
        self.held = self.running and self.hold

    def missing(self) -> list[str]:
        """What has not happened, but should have by now."""
        habits = self.habits
        wanted = {"halts": 5, "sent": 20, "received": 20}
        faults: set[TileFault] = set()
        if habits.odd > 0.05:
            wanted |= {"sent": 5, "received": 5}
            faults |= {
                TileFault.PC, TileFault.PARITY, TileFault.ILLEGAL, TileFault.LOOP_RANGE,
                TileFault.MEMORY, TileFault.ALIGNMENT, TileFault.CSR, TileFault.DESTINATION,
            }  # fmt: skip
        if habits.fault:
            wanted |= {"between": 1, "late": 1}
            faults |= {TileFault.WATCHDOG, TileFault.MESSAGE, TileFault.SENDER}
        if habits.hold:
            wanted |= {"steps": 20, "patches": 5}
        rare = [name for name, least in wanted.items() if getattr(self, name) < least]
        return rare + [fault.name for fault in sorted(faults - self.faults)]

    async def run(self, cycles: int) -> None:
        while self.now < cycles:
            if not self.running and not self.state[Sequencing.STARTING]:
                if self.rng.random() < 0.3:
                    await self.load(Writer(self.rng, self.habits.odd).program(), self.habits.odd)
                for _ in range(self.rng.choice((0, 1, 4))):
                    await self.tick(f"cycle {self.now}, halted", starts=False)
                await self.tick(f"cycle {self.now}, start", starts=True)
            if self.held and self.rng.random() < 0.05:
                await self.patch()
            # a start while it runs does nothing, and ends a hold for good
            starting = self.running and self.rng.random() < 0.01
            await self.tick(f"cycle {self.now}", starts=starting)


@cocotb.test()
@cocotb.parametrize(
    habits=[
        Habits(odd=0.0),
        Habits(done=0.9, odd=0.1),
        Habits(done=0.1, fault=0.02),
        Habits(hold=0.05),
        Habits(done=0.1, hold=0.03, fault=0.02, odd=0.01),
    ]
)
async def programs_are_run(dut, habits):
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED), Habits())
    await start(dut, *INPUTS)
    await bench.clear()
    bench.habits = habits
    await bench.run(CYCLES)
    while bench.missing() and bench.now < PATIENCE:
        await bench.run(bench.now + CYCLES // 4)
    assert not bench.missing(), f"after {bench.now} cycles there must be {bench.missing()}"
