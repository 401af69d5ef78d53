"""MemoryBank against a list of groups and the rules of ``docs/node.md``, cycle by cycle."""

import random
from collections import deque
from dataclasses import dataclass

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import tile_parameters
from cocotb_tests.drivers import corner, pack, start, unpack
from cocotb_tests.pins import compare_pins
from hdl.core.register_file import WORDS
from hdl.tile.memory_bank import GROUP_STATE, bank_request_layout
from panther.arch.core import LANES, READERS, WORD_BITS, MemoryOp
from panther.arch.tile import BANKS, SEND_READER, TileParams

CYCLES = 1200


@dataclass(kw_only=True)
class Request:
    """What a requester asks for."""

    op: MemoryOp
    index: int
    mask: int
    data: list[int]
    take: int
    plain: int
    valid: int
    readers: int


@dataclass(kw_only=True)
class Group:
    """A group of the memory."""

    words: list[int]
    valid: bool = False
    readers: int = 0

    def allows(self, request: Request, bit: int) -> bool:
        """Whether it may be taken, by the reader whose bit it is."""
        if request.plain or request.op == MemoryOp.RELEASE:
            return True
        if request.op == MemoryOp.STORE:
            return not self.valid
        return self.valid and (not request.take or bool(self.readers & bit))

    def take(self, request: Request, bit: int) -> bool:
        """Carry it out. Whether it changes the state."""
        if request.op == MemoryOp.LOAD:
            if request.take:
                self.readers &= ~bit
                self.valid = self.readers != 0
            return bool(request.take)
        if request.op == MemoryOp.STORE:
            for lane in range(LANES):
                if request.mask >> lane & 1:
                    self.words[lane] = request.data[lane]
            self.valid, self.readers = True, 0 if request.plain else request.readers
        else:
            self.valid, self.readers = bool(request.valid), request.readers
        return True


class Golden:
    """A bank, as the page says it works."""

    def __init__(self, params: TileParams) -> None:
        self.requesters = params.requesters
        self.groups = [Group(words=[0] * LANES) for _ in range(params.groups // BANKS)]
        self.bits = [1 << core for core in range(params.cores)] + [1 << SEND_READER, 0, 0]
        self.latency = params.core.memory_cycles
        self.overtaken = [0] * self.requesters
        self.reset()

    def reset(self) -> None:
        self.last = self.requesters - 1
        self.parked: set[int] = set()
        self.answers: deque[tuple[int, list[int], dict[str, int]] | None]
        self.answers = deque([None] * self.latency)

    def cycle(self, asks: dict[int, Request], forget: set[int]) -> tuple[int | None, int, int]:
        """Who is taken, how many are parked, how many have to wait for another one."""
        allowed = {
            n for n, request in asks.items()
            if self.groups[request.index].allows(request, self.bits[n])
        }  # fmt: skip
        awake = [n for n in asks if n not in self.parked]
        taken = missed = None
        changed = False
        answer = None
        if awake:
            self.last = min(awake, key=lambda n: (n - self.last - 1) % self.requesters)
            request = asks[self.last]
            group = self.groups[request.index]
            if self.last in allowed:
                taken = self.last
                found = {"valid": int(group.valid), "readers": group.readers}
                if request.op == MemoryOp.LOAD and taken not in forget:
                    answer = (taken, list(group.words), found)
                changed = group.take(request, self.bits[taken])
            else:
                missed = self.last
        woken = {n for n in asks if changed and asks[n].index == asks[taken].index}
        self.parked = ((self.parked | {missed}) & set(asks)) - woken
        self.answers = deque(
            None if old is not None and old[0] in forget else old for old in self.answers
        )
        self.answers.append(answer)
        # whoever may be served is served soon, whatever the others do
        for n in range(self.requesters):
            self.overtaken[n] = self.overtaken[n] + 1 if n in allowed and n != taken else 0
        worst = max(self.overtaken)
        assert worst < self.requesters, f"a request must not wait {worst} cycles for others"
        return taken, int(missed is not None), len(awake) - bool(awake)


class Bench:
    """Requesters that ask, wait, lose patience."""

    def __init__(self, dut, rng: random.Random, params: TileParams, *, idle: float) -> None:
        self.dut, self.rng, self.idle = dut, rng, idle
        self.golden = Golden(params)
        self.requesters = params.requesters
        self.used = min(len(self.golden.groups), 3)
        self.asks: dict[int, Request] = {}
        self.silent: set[int] = set()
        self.seen = dict.fromkeys(("taken", "missed", "woken", "answered", "withdrawn"), 0)

    def random_request(self, who: int) -> Request:
        rng = self.rng
        depth = len(self.golden.groups)
        host = who == self.requesters - 1
        op = rng.choices(list(MemoryOp), (6, 5, 1))[0]
        return Request(
            op=op, index=rng.choice((rng.randrange(self.used), rng.randrange(depth), depth - 1)),
            mask=corner(rng, 0, (1 << LANES) - 1),
            data=[corner(rng, 0, (1 << WORD_BITS) - 1) for _ in range(LANES)],
            take=rng.random() < 0.8, plain=rng.random() < (0.5 if host else 0.05),
            valid=rng.getrandbits(1), readers=rng.getrandbits(READERS),
        )  # fmt: skip

    def change_asks(self) -> None:
        """Who asks for what in this cycle."""
        rng = self.rng
        silent, self.silent = self.silent, set()
        for n in range(self.requesters):
            if n in self.asks:
                if rng.random() < 0.01:
                    del self.asks[n]
                    self.silent.add(n)
                    self.seen["withdrawn"] += 1
            elif n not in silent and rng.random() >= self.idle:
                self.asks[n] = self.random_request(n)

    async def clear(self) -> None:
        """The host makes every group zero and free, as after a reset of a tile."""
        dut, host = self.dut, self.requesters - 1
        dut.asks.value = 1 << host
        for index in range(len(self.golden.groups)):
            for op in (MemoryOp.STORE, MemoryOp.RELEASE):
                request = Request(
                    op=op, index=index, mask=(1 << LANES) - 1, data=[0] * LANES,
                    take=0, plain=1, valid=0, readers=0,
                )  # fmt: skip
                port = getattr(dut, f"requests__{host}")
                port.value = pack(bank_request_layout(), vars(request))
                await FallingEdge(dut.clk)

    async def tick(self, where: str) -> None:
        dut, rng, golden = self.dut, self.rng, self.golden
        self.change_asks()
        forget = {n for n in range(self.requesters) if rng.random() < 0.01}
        reset = rng.random() < 0.003
        dut.rst.value = reset
        dut.asks.value = sum(1 << n for n in self.asks)
        dut.forget.value = sum(1 << n for n in forget)
        for n in range(self.requesters):
            # who does not ask shows anything
            request = self.asks.get(n) or self.random_request(n)
            layout = bank_request_layout()
            getattr(dut, f"requests__{n}").value = pack(layout, vars(request))
        busy = any(answer is not None for answer in golden.answers)
        answer = golden.answers.popleft()
        parked = set(golden.parked)
        taken, missed, conflicts = golden.cycle(self.asks, forget)
        await RisingEdge(dut.clk)
        compare_pins(
            "MemoryBank", f"{where}, asks {self.asks}", dut,
            taken=0 if taken is None else 1 << taken, missed=missed, conflicts=conflicts,
            answered=0 if answer is None else 1 << answer[0], busy=busy,
        )  # fmt: skip
        if answer is not None:
            words = list(unpack(WORDS, dut.words))
            compare("MemoryBank", f"{where}, words", answer[1], words, ("word",))
            state = unpack(GROUP_STATE, dut.state)
            for name, value in answer[2].items():
                compare("MemoryBank", f"{where}, {name}", value, state[name])
        await FallingEdge(dut.clk)
        self.seen["taken"] += taken is not None
        self.seen["missed"] += missed
        self.seen["woken"] += len((parked & set(self.asks)) - golden.parked)
        self.seen["answered"] += answer is not None
        if taken is not None:
            del self.asks[taken]
        if reset:
            golden.reset()
            golden.overtaken = [0] * self.requesters
            self.silent = set(self.asks)
            self.asks = {}


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6, 0.95])
async def requests_are_taken_in_turn(dut, idle):
    rng = random.Random(cocotb.RANDOM_SEED)
    params = tile_parameters()
    inputs = [f"requests__{n}" for n in range(params.requesters)]
    await start(dut, "asks", "forget", *inputs)
    bench = Bench(dut, rng, params, idle=idle)
    await bench.clear()
    for cycle in range(CYCLES):
        await bench.tick(f"cycle {cycle}")
    assert all(count > 10 for count in bench.seen.values()), f"must see all of {bench.seen}"
