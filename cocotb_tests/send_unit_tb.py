"""SendUnit against its twin, every pin in every cycle; what it sends against what was in memory."""

import random
from collections import deque
from dataclasses import dataclass, field

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import node_parameters
from cocotb_tests.drivers import start, unpack
from cocotb_tests.pins import compare_pins, read
from hdl.flit import flit_layout
from hdl.tile.send_unit import GROUP_WORDS_BITS, LENGTH_BITS, transfer_status_layout
from models.system import send_unit
from models.system.router import FLIT_NUMBERS, Flit
from models.system.send_unit import Sending, make_send_unit
from models.system.shared_memory import Ask, make_shared_memory
from panther.arch.core import LANES
from panther.arch.tile import BANKS, FLIT_FIELDS, WORM_ROWS, TileWait

CYCLES, PATIENCE = 1200, 12000
NUMBER = 0
"""Tile whose unit this is, in the twin; the network port puts it in."""
NO_ROW = np.zeros(0, np.int64)
INPUTS = (
    "issue", "group", "words", "tile", "fifo", "pc", "taken", "valid",
    *(f"words_in__{bank}" for bank in range(BANKS)),
    "row__ready", "credit", "credit_tile", "credit_fifo", "credit_rows", "watchdog",
)  # fmt: skip
FLIT, STATUS = flit_layout(), transfer_status_layout()


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How often the unit has to wait, and for whom."""

    taken: float = 1.0
    """Chance of a request to be taken in a cycle."""
    room: float = 1.0
    """Chance of room in the router."""
    credit: float = 1.0
    """Chance of a credit, if one is due."""
    watchdogs: tuple[int, ...] = (1 << 20,)
    changes: float = 0.0
    """Chance of another watchdog in a cycle."""
    issue: float = 1.0
    longest: int = 260
    """Words of most messages."""


@dataclass(kw_only=True)
class Message:
    """What is being sent, and what has been seen of it."""

    tile: int
    fifo: int
    groups: list[int]
    words: dict[int, int] = field(default_factory=dict)
    """Of the groups taken."""
    rows: int = 0


class Bench:
    """Takes requests, answers them late, takes rows, gives credits back."""

    def __init__(self, dut, rng: random.Random, habits: Habits) -> None:
        self.dut, self.rng, self.habits = dut, rng, habits
        self.params = node_parameters()
        self.tile = self.params.tile
        self.twin = make_send_unit(self.params)
        self.memory = make_shared_memory(self.tile, self.params.tiles)
        self.requester = self.tile.cores
        self.watchdog = rng.choice(habits.watchdogs)
        self.answers: deque[dict[int, int]] = deque(
            [{}] * self.tile.core.memory_cycles, self.tile.core.memory_cycles
        )
        self.queue = self.random_queue()
        self.under_way: dict[tuple[int, int], int] = {}
        self.message: Message | None = None
        self.worm = 0
        self.now = 0
        self.sent = self.messages = self.faults = self.late = 0
        self.waits: set[TileWait] = set()
        self.firsts: set[int] = set()
        self.full = 0
        self.largest = 0

    def missing(self) -> list[str]:
        """What has not happened, but should have by now."""
        habits, tile = self.habits, self.tile
        waits: set[TileWait] = set()
        conditions = {
            "five messages": self.messages > 5,
            "messages from every bank": self.firsts == set(range(BANKS)),
        }
        if habits.taken == 1 and habits.room < 1 and tile.fifo_rows > 2:
            conditions["the longest worm"] = self.largest == WORM_ROWS
        if habits.credit < 1 and habits.longest > 1000:
            waits = {TileWait.LOAD, TileWait.CREDIT}
        if max(habits.watchdogs) < 100:
            conditions["a stop"] = self.faults > 0
        # the unit stops two cycles after the last request was taken at the earliest
        if min(habits.watchdogs) == 1 and tile.core.memory_cycles > 2:
            conditions["answers after a stop"] = self.late > 0
        found = [name for name, holds in conditions.items() if not holds]
        return found + [wait.name for wait in sorted(waits - self.waits)]

    def random_queue(self) -> tuple[int, int]:
        return self.rng.randrange(self.params.tiles), self.rng.randrange(self.tile.fifos)

    def begin(self) -> Message:
        rng, size = self.rng, self.tile.core.memory_words
        words = min(rng.choice((1, 4, 5, 16, 17, rng.randint(1, 130), 1023)), size)
        if rng.random() < 0.9:
            words = min(words, self.habits.longest)
        groups = (words + LANES - 1) // LANES
        last = size // LANES - groups
        first = rng.choice((0, last, rng.randint(0, last), min(last, rng.randint(0, 3))))
        # most go to one queue, so that it is full now and then
        queue = self.queue if rng.random() < 0.9 else self.random_queue()
        message = Message(
            tile=queue[0],
            fifo=queue[1],
            groups=list(range(first, first + groups)),
        )
        pc = rng.getrandbits(14)
        dut = self.dut
        dut.group.value, dut.words.value, dut.pc.value = first, words, pc
        dut.tile.value, dut.fifo.value = message.tile, message.fifo
        self.begun = (first, groups, message.tile, message.fifo, pc)
        return message

    def noise(self) -> None:
        """What must do nothing."""
        dut, rng = self.dut, self.rng
        dut.group.value, dut.words.value = rng.getrandbits(13), rng.getrandbits(LENGTH_BITS)
        dut.tile.value, dut.fifo.value = rng.getrandbits(8), rng.getrandbits(4)
        dut.pc.value = rng.getrandbits(14)

    async def tick(self, where: str) -> None:
        """One cycle."""
        dut, rng, twin, now = self.dut, self.rng, self.twin, self.now
        state = twin.state[NUMBER]
        if rng.random() < self.habits.changes:
            self.watchdog = rng.choice(self.habits.watchdogs)
        dut.watchdog.value = self.watchdog
        idle = send_unit.idle(twin, NUMBER, now)
        issues = idle and rng.random() < self.habits.issue
        dut.issue.value = issues
        self.noise()
        begun = self.begin() if issues else None

        # the memory
        asking = taken = 0
        groups = {}
        for bank in range(BANKS):
            if self.memory.asking[NUMBER, bank] >> self.requester & 1:
                asking |= 1 << bank
                groups[bank] = int(self.memory.asks[NUMBER, self.requester, bank, Ask.GROUP])
                taken |= (rng.random() < self.habits.taken) << bank
        answers = {bank: rng.getrandbits(GROUP_WORDS_BITS) for bank in groups if taken >> bank & 1}
        dut.taken.value = taken
        arriving = self.answers[0]
        self.answers.append(answers)
        dut.valid.value = sum(1 << bank for bank in arriving)
        for bank in range(BANKS):
            word = arriving.get(bank, rng.getrandbits(GROUP_WORDS_BITS))
            getattr(dut, f"words_in__{bank}").value = word

        # the network
        offers = send_unit.offers(twin, NUMBER, now)
        room = rng.random() < self.habits.room
        dut.row__ready.value = room
        credit = None
        if self.under_way and rng.random() < self.habits.credit:
            credit = rng.choice(list(self.under_way))
            credited = rng.choice((1, 1, 1, self.under_way[credit]))
        dut.credit.value = credit is not None
        dut.credit_tile.value = rng.getrandbits(8) if credit is None else credit[0]
        dut.credit_fifo.value = rng.getrandbits(4) if credit is None else credit[1]
        dut.credit_rows.value = rng.getrandbits(7) if credit is None else credited

        # the twin, up to the end of this cycle
        golden: dict[str, int] = {
            "busy": state[Sending.BUSY], "idle": idle, "ask": asking, "row__valid": offers,
            "worm": state[Sending.WORM] > 0,
        }  # fmt: skip
        status = {name: int(state[Sending[name.upper()]]) for name in ("busy", "tile", "fifo")}
        status["pc"] = int(state[Sending.PC])
        flit = np.zeros(FLIT_NUMBERS, np.int64)
        if offers:
            send_unit.put_row(twin, NUMBER, now, flit)
        for bank in range(BANKS):
            self.memory.taken[NUMBER, bank] = self.requester if taken >> bank & 1 else -1
            self.memory.answers[NUMBER, bank] = np.uint64(answers.get(bank, 0)).astype(np.int64)
            if taken >> bank & 1:
                self.memory.asking[NUMBER, bank] = 0
        goes = offers and room
        busy = bool(state[Sending.BUSY])
        _, fault = send_unit.step(
            twin, self.memory, NUMBER, self.requester, self.watchdog, flit if goes else NO_ROW, now
        )
        if credit is not None:
            send_unit.credit(twin, NUMBER, *credit, credited)
        if begun is not None:
            send_unit.issue(twin, NUMBER, *self.begun)
        # the tile keeps what a unit that has stopped waited for, as the twin does
        wait = TileWait(int(state[Sending.WAIT])) if busy else TileWait.NOTHING
        golden["fault"] = fault
        status["wait"] = wait
        status["wait_group"] = min(groups.values()) if wait == TileWait.LOAD else 0

        await RisingEdge(dut.clk)
        compare_pins("SendUnit", where, dut, **golden)
        for bank, group in groups.items():
            compare_pins("SendUnit", where, dut, **{f"ask_group__{bank}": group})
        shown = unpack(STATUS, dut.status)
        for name, value in status.items():
            compare("SendUnit", f"{where}, status, {name}", int(value), shown[name])
        if offers:
            self.compare_flit(where, flit)
        await FallingEdge(dut.clk)
        self.record(where, flit if goes else None, groups, answers, credit)
        if credit is not None:
            self.under_way[credit] -= credited
            if not self.under_way[credit]:
                del self.under_way[credit]
        if wait != TileWait.NOTHING:
            self.waits.add(wait)
        if fault:
            self.faults += 1
            self.late += any(self.answers)
            self.message = None
        if begun is not None:
            self.message = begun
            self.firsts.add(begun.groups[0] % BANKS)
        self.now += 1

    def compare_flit(self, where: str, flit: np.ndarray) -> None:
        rtl = unpack(FLIT, self.dut.row__payload)
        for name in FLIT_FIELDS:
            if name in ("source", "data"):
                continue
            compare("SendUnit", f"{where}, flit, {name}", int(flit[Flit[name.upper()]]), rtl[name])
        data = [int(np.uint64(word)) for word in flit[Flit.DATA :].astype(np.uint64)]
        words = [rtl.data >> n * GROUP_WORDS_BITS & ((1 << GROUP_WORDS_BITS) - 1) for n in range(4)]
        compare("SendUnit", f"{where}, flit, data", data, words, ("group",))

    def record(self, where: str, flit, groups, answers, credit) -> None:
        """What the twin cannot be trusted with: the message as it left the memory."""
        for bank, word in answers.items():
            self.message.words[groups[bank]] = word
        if flit is None:
            return
        message = self.message
        queue = (int(flit[Flit.TILE]), int(flit[Flit.FIFO]))
        assert queue == (message.tile, message.fifo), f"{where}: the row must go to its queue"
        first = BANKS * message.rows
        golden = [message.words[group] for group in message.groups[first : first + BANKS]]
        golden += [0] * (BANKS - len(golden))
        compare(
            "SendUnit", f"{where}, row", golden, flit[Flit.DATA :].astype(np.uint64), ("group",)
        )
        message.rows += 1
        last = BANKS * message.rows >= len(message.groups)
        assert flit[Flit.END] == last, f"{where}: end must be {last}"
        assert flit[Flit.HEAD] == (self.worm == 0), f"{where}: head must begin a worm"
        self.worm = 0 if flit[Flit.TAIL] else self.worm + 1
        self.largest = max(self.largest, self.worm + 1)
        assert self.worm < WORM_ROWS, f"{where}: a worm must have at most {WORM_ROWS} rows"
        self.under_way[queue] = self.under_way.get(queue, 0) + 1
        rows = self.under_way[queue]
        assert rows <= self.tile.fifo_rows, f"{where}: {rows} rows must have room"
        self.full += rows == self.tile.fifo_rows
        self.sent += 1
        if last:
            self.messages += 1


async def bench_of(dut, habits: Habits) -> Bench:
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, rng, habits)
    await start(dut, *INPUTS)
    return bench


@cocotb.test()
@cocotb.parametrize(
    habits=[
        Habits(),
        Habits(room=0.8, longest=1023),
        Habits(taken=0.7, room=0.8, credit=0.05, issue=0.3, longest=1023),
        Habits(taken=0.3, room=0.6, credit=0.04, watchdogs=(1, 2, 3, 9), changes=0.05),
        Habits(taken=0.9, room=0.5, credit=0.02, watchdogs=(4, 20, 60), longest=1023),
    ]
)
async def rows_are_sent(dut, habits):
    bench = await bench_of(dut, habits)
    while bench.now < CYCLES or (bench.missing() and bench.now < PATIENCE):
        await bench.tick(f"cycle {bench.now}")
    assert not bench.missing(), f"after {bench.now} cycles there must be {bench.missing()}"


@cocotb.test()
async def a_reset_forgets_what_is_under_way(dut):
    bench = await bench_of(dut, Habits(credit=0.0, watchdogs=(30,)))
    for cycle in range(1000):
        await bench.tick(f"cycle {cycle}")
        if bench.full:
            break
    assert bench.full, "a queue must be full"
    for again in range(2):
        for name in INPUTS:
            getattr(dut, name).value = 0
        dut.rst.value = 1
        # an answer that comes after the reset is not waited for
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        dut.valid.value = (1 << BANKS) - 1
        await FallingEdge(dut.clk)
        assert read(dut.idle) == 1, "the unit must be idle after a reset"
        fresh = Bench(dut, bench.rng, Habits(taken=0.8, credit=0.2, watchdogs=(30,)))
        for cycle in range(200):
            await fresh.tick(f"reset {again}, cycle {cycle}")
        assert fresh.messages, "messages must be sent after the reset"
