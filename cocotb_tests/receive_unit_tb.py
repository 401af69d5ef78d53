"""ReceiveUnit against its twin, every pin in every cycle; what it stores against what was sent."""

import random
from collections import deque
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import node_parameters
from cocotb_tests.drivers import pack, start, unpack
from cocotb_tests.pins import compare_pins, read
from hdl.flit import flit_layout
from hdl.tile.receive_unit import credit_layout
from hdl.tile.send_unit import GROUP_WORDS_BITS, LENGTH_BITS, transfer_status_layout
from models.system import receive_unit
from models.system.receive_unit import NOBODY, Receiving, make_receive_unit
from models.system.router import FLIT_NUMBERS, Flit
from models.system.shared_memory import Ask, make_shared_memory
from panther.arch.core import LANES, READERS
from panther.arch.tile import BANKS, ROW_BITS, ROW_WORDS, FlitKind, TileFault, TileWait

CYCLES, PATIENCE = 1200, 12000
NUMBER = 0
"""Tile whose unit this is, in the twin."""
NO_ROW = np.zeros(0, np.int64)
INPUTS = (
    "issue", "group", "words", "fifo", "readers", "pc", "taken", "i_row__valid", "i_row__payload",
    "credit__ready", "watchdog",
)  # fmt: skip
FLIT, CREDIT, STATUS = flit_layout(), credit_layout(), transfer_status_layout()
GROUP_MASK = (1 << GROUP_WORDS_BITS) - 1


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How often the unit has to wait, and for whom."""

    taken: float = 1.0
    """Chance of a request to be taken in a cycle."""
    row: float = 1.0
    """Chance of a row, if its queue has room for it."""
    credit: float = 1.0
    """Chance of the network port to take a credit."""
    issue: float = 1.0
    watchdogs: tuple[int, ...] = (1 << 20,)
    changes: float = 0.0
    """Chance of another watchdog in a cycle."""
    wrong: float = 0.0
    """Chance of a row from another tile, and of a message of another length."""


class Bench:
    """Sends rows that have room, takes requests, takes credits."""

    def __init__(self, dut, rng: random.Random, habits: Habits) -> None:
        self.dut, self.rng, self.habits = dut, rng, habits
        self.params = node_parameters()
        self.tile = self.params.tile
        self.twin = make_receive_unit(self.params)
        self.memory = make_shared_memory(self.tile, self.params.tiles)
        self.requester = self.tile.cores + 1
        self.watchdog = rng.choice(habits.watchdogs)
        fifos = range(self.tile.fifos)
        self.senders = [rng.randrange(1 << 8) for _ in fifos]
        self.room = [self.tile.fifo_rows for _ in fifos]
        self.to_send: list[deque[bool]] = [deque() for _ in fifos]
        """Of each queue the rows announced and not sent: whether they end a message."""
        self.inside: list[deque[int]] = [deque() for _ in fifos]
        """Rows in each queue."""
        self.favourite = rng.choice(fifos)
        self.last_told = self.tile.fifos - 1
        self.golden: dict[int, tuple[int, int]] = {}
        """Mask and words of every group of the message that has to be stored."""
        self.stored: dict[int, tuple[int, int]] = {}
        self.shown: dict[int, int] = {}
        """Words each bank was last asked to store."""
        self.first = self.words = self.fetched = self.fifo = 0
        self.messages = self.wrong = 0
        self.faults: set[TileFault] = set()
        self.waits: set[TileWait] = set()
        self.firsts: set[int] = set()
        self.told: set[int] = set()
        self.full = 0

    def missing(self) -> list[str]:
        """What has not happened, but should have by now."""
        habits = self.habits
        waits: set[TileWait] = set()
        faults: set[TileFault] = set()
        conditions = {
            "five messages": self.messages > 5,
            "messages to every bank": self.firsts == set(range(BANKS)),
            "a credit for everybody": self.told == set(range(self.tile.fifos)),
        }
        if habits.issue < 0.5:
            conditions["a full queue"] = self.full > 0
        if habits.taken < 1:
            waits = {TileWait.STORE, TileWait.MESSAGE}
        if min(habits.watchdogs) == 1:
            faults |= {TileFault.WATCHDOG}
        if habits.wrong:
            faults |= {TileFault.MESSAGE, TileFault.SENDER}
        found = [name for name, holds in conditions.items() if not holds]
        found += [wait.name for wait in sorted(waits - self.waits)]
        return found + [fault.name for fault in sorted(faults - self.faults)]

    def begin(self) -> tuple[int, int, int, int, int]:
        """Somebody waits for a message, and somebody is going to send it."""
        rng, size = self.rng, self.tile.core.memory_words
        words = rng.choice((1, 4, 5, 16, 17, rng.randint(1, 130), rng.randint(1, 260)))
        words = min(words, size)
        groups = (words + LANES - 1) // LANES
        last = size // LANES - groups
        first = rng.choice((0, last, rng.randint(0, last), min(last, rng.randint(0, 3))))
        fifo = rng.randrange(self.tile.fifos)
        rows = (words + ROW_WORDS - 1) // ROW_WORDS
        others = len(self.to_send[fifo]) or len(self.inside[fifo])
        if rng.random() < self.habits.wrong:
            rows = max(1, rows + rng.choice((-1, 1)))
        if not others or rng.random() < 0.5:
            self.announce(fifo, rows)
        return first, words, fifo, rng.getrandbits(READERS), rng.getrandbits(14)

    def announce(self, fifo: int, rows: int) -> None:
        self.to_send[fifo].extend([False] * (rows - 1) + [True])

    def row(self) -> tuple[int, int, bool, int] | None:
        """Source, queue, end and words of a row that comes in this cycle."""
        rng = self.rng
        words = rng.getrandbits(ROW_BITS)
        fifo = rng.randrange(self.tile.fifos)
        if self.room[fifo] and rng.random() < self.habits.wrong / 10:
            return self.senders[fifo] ^ 1 << rng.randrange(8), fifo, False, words
        fifos = [n for n, rows in enumerate(self.to_send) if rows and self.room[n]]
        if not fifos or rng.random() >= self.habits.row:
            return None
        fifo = rng.choice(fifos)
        return self.senders[fifo], fifo, self.to_send[fifo].popleft(), words

    async def tick(self, where: str) -> None:
        """One cycle."""
        dut, rng, twin = self.dut, self.rng, self.twin
        state = twin.state[NUMBER]
        busy = bool(state[Receiving.BUSY])
        if rng.random() < self.habits.changes:
            self.watchdog = rng.choice(self.habits.watchdogs)
        dut.watchdog.value = self.watchdog
        # somebody sends more than anybody waits for
        if rng.random() < 0.05:
            fifo = self.favourite if rng.random() < 0.6 else rng.randrange(self.tile.fifos)
            if len(self.to_send[fifo]) < self.tile.fifo_rows:
                self.announce(fifo, rng.randint(1, 16))
        issues = not busy and rng.random() < self.habits.issue
        begun = self.begin() if issues else None
        dut.issue.value = issues
        shown = begun or (
            rng.getrandbits(13), rng.getrandbits(LENGTH_BITS), rng.getrandbits(4),
            rng.getrandbits(READERS), rng.getrandbits(14),
        )  # fmt: skip
        for name, value in zip(("group", "words", "fifo", "readers", "pc"), shown, strict=True):
            getattr(dut, name).value = value

        # the memory
        asking = taken = 0
        asks = {}
        for bank in range(BANKS):
            if self.memory.asking[NUMBER, bank] >> self.requester & 1:
                asking |= 1 << bank
                asks[bank] = self.memory.asks[NUMBER, self.requester, bank].copy()
                taken |= (rng.random() < self.habits.taken) << bank
        dut.taken.value = taken

        # the network
        coming = self.row()
        flit = np.zeros(FLIT_NUMBERS, np.int64)
        dut.i_row__valid.value = coming is not None
        source, fifo, end, words = coming or (
            rng.getrandbits(8), rng.randrange(self.tile.fifos), rng.getrandbits(1),
            rng.getrandbits(ROW_BITS),
        )  # fmt: skip
        dut.i_row__payload.value = pack(
            FLIT,
            {
                "head": rng.getrandbits(1), "tail": rng.getrandbits(1), "end": end,
                "kind": FlitKind.DATA, "tile": NUMBER, "source": source, "fifo": fifo,
                "data": words,
            },
        )  # fmt: skip
        flit[Flit.END], flit[Flit.SOURCE], flit[Flit.FIFO] = end, source, fifo
        for n in range(BANKS):
            group = words >> n * GROUP_WORDS_BITS & GROUP_MASK
            flit[Flit.DATA + n] = np.uint64(group).astype(np.int64)
        accepts = rng.random() < self.habits.credit
        dut.credit__ready.value = accepts
        owed = [int(rows) for rows in twin.owed[NUMBER]]
        behind = [(self.last_told + n) % len(owed) for n in range(1, len(owed) + 1)]
        told = next((n for n in behind if owed[n]), None)
        tells = told is not None and accepts

        owner = int(twin.owner[NUMBER, state[Receiving.FIFO]])
        status = {
            "busy": busy, "pc": int(state[Receiving.PC]), "fifo": int(state[Receiving.FIFO]),
            "tile": 0 if owner == NOBODY else owner,
        }  # fmt: skip
        owner = 0 if told is None else int(twin.owner[NUMBER, told])
        stops = bool(state[Receiving.WRONG])
        for bank in range(BANKS):
            self.memory.taken[NUMBER, bank] = self.requester if taken >> bank & 1 else -1
            if taken >> bank & 1:
                self.memory.asking[NUMBER, bank] = 0
        before = int(twin.received[NUMBER])
        is_wrong = coming is not None and twin.owner[NUMBER, fifo] not in (NOBODY, source)
        _, fault = receive_unit.step(
            twin, self.memory, NUMBER, self.requester, self.watchdog,
            NO_ROW if coming is None else flit, told if tells else -1,
        )  # fmt: skip
        fetched = int(twin.received[NUMBER]) > before
        if begun is not None:
            first, words_left, queue, readers, pc = begun
            receive_unit.issue(twin, NUMBER, first, words_left, queue, readers, pc)
        waits = busy and not stops
        wait = TileWait(int(state[Receiving.WAIT])) if waits else TileWait.NOTHING
        groups = [int(ask[Ask.GROUP]) for ask in asks.values()]
        status |= {"wait": wait, "wait_group": min(groups) if wait == TileWait.STORE else 0}

        await RisingEdge(dut.clk)
        compare_pins(
            "ReceiveUnit", where, dut,
            busy=busy, ask=asking, fault=fault, i_row__ready=1, credit__valid=told is not None,
        )  # fmt: skip
        for bank, ask in asks.items():
            self.compare_ask(where, bank, ask)
        if told is not None:
            rtl = unpack(CREDIT, dut.credit__payload)
            for name, value in (("tile", owner), ("fifo", told), ("rows", owed[told])):
                compare("ReceiveUnit", f"{where}, credit, {name}", value, rtl[name])
        rtl = unpack(STATUS, dut.status)
        for name, value in status.items():
            compare("ReceiveUnit", f"{where}, status, {name}", int(value), rtl[name])
        await FallingEdge(dut.clk)

        gives_up = fault not in (TileFault.NONE, TileFault.SENDER)
        self.record(where, asks, taken, fetched, gives_up)
        if tells:
            self.room[told] += owed[told]
            self.last_told = told
            self.told.add(told)
        if coming is not None and not is_wrong:
            self.senders[fifo] = source
            self.room[fifo] -= 1
            self.inside[fifo].append(words)
            self.full += len(self.inside[fifo]) == self.tile.fifo_rows
        self.wrong += is_wrong
        if fault:
            self.faults.add(TileFault(int(fault)))
        if wait != TileWait.NOTHING:
            self.waits.add(wait)
        if begun is not None:
            self.first, self.words, self.fifo = begun[:3]
            self.fetched = 0
            self.golden, self.stored = {}, {}
            self.firsts.add(self.first % BANKS)

    def compare_ask(self, where: str, bank: int, ask: np.ndarray) -> None:
        """The pins of one bank; only the words that are stored count."""
        dut, mask = self.dut, int(ask[Ask.MASK])
        compare_pins(
            "ReceiveUnit", where, dut,
            **{f"ask_group__{bank}": ask[Ask.GROUP], f"ask_mask__{bank}": mask},
            ask_readers=ask[Ask.READERS],
        )  # fmt: skip
        covered = sum(0xFFFF << 16 * lane for lane in range(LANES) if mask >> lane & 1)
        words = int(np.int64(ask[Ask.DATA]).astype(np.uint64)) & covered
        rtl = read(getattr(dut, f"ask_words__{bank}")) & covered
        compare("ReceiveUnit", f"{where}, words of bank {bank}", words, rtl)
        self.shown[bank] = rtl

    def record(self, where: str, asks, taken: int, fetched: bool, stopped: bool) -> None:
        """What the twin cannot be trusted with: the message as it reached the memory."""
        for bank, ask in asks.items():
            if taken >> bank & 1:
                self.stored[int(ask[Ask.GROUP])] = (int(ask[Ask.MASK]), self.shown[bank])
        if fetched:
            row = self.inside[self.fifo].popleft()
            for n in range(BANKS):
                words = min(self.words - self.fetched - LANES * n, LANES)
                if words > 0:
                    group = self.first + self.fetched // LANES + n
                    golden = row >> n * GROUP_WORDS_BITS & GROUP_MASK
                    self.golden[group] = ((1 << words) - 1, golden)
            self.fetched += ROW_WORDS
        if stopped:
            self.golden = {}
        elif self.golden and self.fetched >= self.words and len(self.stored) == len(self.golden):
            for group, (mask, words) in self.golden.items():
                rtl_mask, rtl = self.stored[group]
                compare("ReceiveUnit", f"{where}, mask of group {group}", mask, rtl_mask)
                covered = (1 << 16 * mask.bit_length()) - 1
                compare(
                    "ReceiveUnit", f"{where}, group {group}", words & covered, rtl & covered
                )  # fmt: skip
            self.messages += 1
            self.golden = {}


async def bench_of(dut, habits: Habits) -> Bench:
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED), habits)
    await start(dut, *INPUTS)
    return bench


@cocotb.test()
@cocotb.parametrize(
    habits=[
        Habits(),
        Habits(taken=0.6, row=0.7, credit=0.3, issue=0.3),
        Habits(taken=0.3, row=0.3, credit=0.2, watchdogs=(1, 2, 3, 9, 40), changes=0.05),
        Habits(taken=0.8, row=0.9, credit=0.6, issue=0.5, watchdogs=(60,), wrong=0.2),
    ]
)
async def rows_are_stored(dut, habits):
    bench = await bench_of(dut, habits)
    cycle = 0
    while cycle < CYCLES or (bench.missing() and cycle < PATIENCE):
        await bench.tick(f"cycle {cycle}")
        cycle += 1
    assert not bench.missing(), f"after {cycle} cycles there must be {bench.missing()}"


@cocotb.test()
async def a_reset_empties_the_queues(dut):
    bench = await bench_of(dut, Habits(issue=0.02, credit=0.0, watchdogs=(3,)))
    for again in range(3):
        for cycle in range(1000):
            await bench.tick(f"reset {again}, cycle {cycle}")
            if any(bench.inside) and any(bench.twin.owed[NUMBER]):
                break
        assert any(bench.inside), "there must be rows in the queues"
        assert any(bench.twin.owed[NUMBER]), "somebody must be owed credits"
        for name in INPUTS:
            getattr(dut, name).value = 0
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        bench = Bench(dut, bench.rng, Habits(issue=0.2, credit=0.1, watchdogs=(3,)))
