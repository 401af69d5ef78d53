"""SharedMemory against its twin, cycle by cycle: who is taken, what is answered, what is counted.

Requesters ask, wait and lose patience at random; stream through the memory; or keep one bank busy.
"""

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import tile_parameters
from cocotb_tests.drivers import corner, pack, start
from cocotb_tests.pins import read
from hdl.core.load_store import request_layout
from hdl.tile.shared_memory import host_answer_layout, host_request_layout
from models.system.shared_memory import (
    HOST_READ,
    Count,
    ask,
    make_shared_memory,
    serve,
    withdraw,
)
from panther.arch.core import LANES, READERS, WORD_BITS, MemoryOp
from panther.arch.tile import BANKS, SEND_READER, HostOp

CYCLES = 600
STREAM_CYCLES = 1000
MASKS = (1 << LANES) - 1


@dataclass(kw_only=True)
class Request:
    """What a requester asks of a bank; ``op`` of the host is a ``HostOp``."""

    group: int
    op: int = MemoryOp.LOAD
    mask: int = MASKS
    data: int = 0
    take: int = 0
    plain: int = 0
    valid: int = 0
    readers: int = 0

    @property
    def words(self) -> list[int]:
        return [self.data >> WORD_BITS * lane & (1 << WORD_BITS) - 1 for lane in range(LANES)]


class Bench:
    """The memory, its twin, and what everybody asks.

    ``asks`` has a request for each (requester, bank); whoever sets it begins to ask, whoever
    deletes it withdraws.
    """

    def __init__(self, dut, rng: random.Random) -> None:
        self.dut, self.rng = dut, rng
        self.params = params = tile_parameters()
        self.cores = params.cores
        self.send, self.receive, self.host = (self.cores + n for n in range(3))
        self.twin = make_shared_memory(params)
        self.bits = [1 << n for n in range(self.cores)] + [1 << SEND_READER, 0, 0]
        self.asks: dict[tuple[int, int], Request] = {}
        self.asked: dict[tuple[int, int], Request] = {}
        self.answers: deque[dict[str, int]]
        self.answers = deque({} for _ in range(params.core.memory_cycles))
        self.overtaken: Counter[tuple[int, int]] = Counter()
        self.seen: Counter[str] = Counter()
        self.cycle = 0

    async def begin(self) -> None:
        """Reset; then the host makes every group zero and free, as after every reset of a tile."""
        dut = self.dut
        names = ["send_ask", "receive_ask", "receive_readers", "forget"]
        names += [f"i__{core}__{pin}" for core in range(self.cores) for pin in ("valid", "payload")]
        names += [
            f"{name}__{bank}" for bank in range(BANKS)
            for name in ("send_group", "receive_group", "receive_mask", "receive_words")
        ]  # fmt: skip
        await start(dut, *names, "i_memory__valid", "i_memory__payload")
        dut.i_memory__valid.value = 1
        for group in range(self.params.groups):
            for op in (HostOp.WRITE, HostOp.STATE):
                self._drive_host(Request(group=group, op=op))
                await FallingEdge(dut.clk)
        dut.i_memory__valid.value = 0
        # the banks remember that they served the host last
        self.twin.last[:] = self.host

    def random_request(self, who: int, bank: int | None) -> Request:
        """Groups are few, so that everybody wants the same ones."""
        rng = self.rng
        if bank is None:
            bank = rng.choices(range(BANKS), (3, 1, 1, 1))[0]
        last = self.params.groups // BANKS - 1
        group = BANKS * min(last, rng.choice((0, 0, 1, rng.randint(0, last)))) + bank
        request = Request(
            group=group, mask=corner(rng, 0, MASKS), data=rng.getrandbits(LANES * WORD_BITS),
            take=rng.random() < 0.8, plain=rng.random() < 0.05, valid=rng.getrandbits(1),
            readers=rng.getrandbits(READERS),
        )  # fmt: skip
        if who == self.send:
            request.take = 1
        elif who == self.receive:
            request.op, request.plain = MemoryOp.STORE, 0
        elif who == self.host:
            request.op = rng.choice(list(HostOp))
        else:
            request.op = rng.choices(list(MemoryOp), (6, 5, 1))[0]
        return request

    def _drive_host(self, request: Request) -> None:
        fields = {**vars(request), "data": request.words}
        fields = {
            name: fields[name] for name in ("op", "group", "mask", "data", "valid", "readers")
        }
        self.dut.i_memory__payload.value = pack(host_request_layout(), fields)

    def _drive(self, begun: list[tuple[int, int]]) -> None:
        """Show the memory what is asked."""
        dut, asks = self.dut, self.asks
        for who, bank in begun:
            request = asks[who, bank]
            if who == self.send:
                getattr(dut, f"send_group__{bank}").value = request.group
            elif who == self.receive:
                getattr(dut, f"receive_group__{bank}").value = request.group
                getattr(dut, f"receive_mask__{bank}").value = request.mask
                getattr(dut, f"receive_words__{bank}").value = request.data
                dut.receive_readers.value = request.readers
            elif who == self.host:
                self._drive_host(request)
            else:
                fields = {**vars(request), "data": request.words}
                del fields["valid"]
                getattr(dut, f"i__{who}__payload").value = pack(request_layout(), fields)
        asking = {who for who, _ in asks}
        for core in range(self.cores):
            getattr(dut, f"i__{core}__valid").value = core in asking
        dut.i_memory__valid.value = self.host in asking
        dut.send_ask.value = sum(1 << bank for who, bank in asks if who == self.send)
        dut.receive_ask.value = sum(1 << bank for who, bank in asks if who == self.receive)

    def _tell(self, begun: list[tuple[int, int]]) -> None:
        """Tell the twin what is asked."""
        for who in {who for who, bank in self.asked if (who, bank) not in self.asks}:
            assert not any(other == who for other, _ in self.asks)
            withdraw(self.twin, 0, who)
        for who, bank in begun:
            request = self.asks[who, bank]
            op = request.op
            flag = request.take if op == MemoryOp.LOAD else request.plain
            if who == self.host:
                op, flag = HOST_READ + request.op, request.valid
            data = np.uint64(request.data).astype(np.int64)
            ask(self.twin, 0, who, op, request.group, request.mask, flag, request.readers, data)

    def _allowed(self, who: int, request: Request) -> bool:
        valid, readers = self.twin.valid[0][request.group], int(self.twin.readers[0][request.group])
        if who == self.host or request.op == MemoryOp.RELEASE:
            return True
        if request.op == MemoryOp.STORE:
            return bool(request.plain or not valid)
        return bool(valid and (not request.take or readers & self.bits[who]))

    async def tick(self, *, forget: frozenset[int] = frozenset(), reset: bool = False) -> set:
        """One cycle. Which requests are taken."""
        dut, twin = self.dut, self.twin
        begun = [key for key in self.asks if self.asked.get(key) is not self.asks[key]]
        self._drive(begun)
        self._tell(begun)
        dut.forget.value = sum(1 << who for who in forget)
        dut.rst.value = reset
        allowed = {key for key, request in self.asks.items() if self._allowed(key[0], request)}
        before = twin.counters[0].copy()
        serve(twin, 0)
        counted = twin.counters[0] - before
        taken = {(int(who), bank) for bank, who in enumerate(twin.taken[0]) if who >= 0}

        golden = {
            "accesses": counted[Count.ACCESSES], "misses": counted[Count.MISSES],
            "conflicts": counted[Count.CONFLICTS], "busy": any(self.answers),
            "i_memory__ready": any(who == self.host for who, _ in taken),
            "send_taken": sum(1 << bank for who, bank in taken if who == self.send),
            "receive_taken": sum(1 << bank for who, bank in taken if who == self.receive),
            "send_valid": 0, "o_memory__valid": 0,
        }  # fmt: skip
        for core in range(self.cores):
            golden[f"i__{core}__ready"] = any(who == core for who, _ in taken)
            golden[f"o__{core}__valid"] = 0
        golden |= self.answers.popleft()

        await RisingEdge(dut.clk)
        rtl = [read(getattr(dut, name)) for name in golden]
        if rtl != [int(value) for value in golden.values()]:
            for name, value in golden.items():
                where = f"cycle {self.cycle}, asks {self.asks}, {name}"
                compare("SharedMemory", where, int(value), read(getattr(dut, name)))
        await FallingEdge(dut.clk)

        for name in ("accesses", "misses", "conflicts"):
            self.seen[name] += int(golden[name])
        for key, request in self.asks.items():
            waits = key in allowed and key not in taken
            self.overtaken[key] = self.overtaken[key] + 1 if waits else 0
            worst = self.overtaken[key]
            assert worst < self.params.requesters, f"{request} must not wait {worst} cycles"
        # an answer on its way to whoever is in reset is lost
        self.answers.append(self._answers(taken))
        if forget or reset:
            lost = [f"o__{who}__" for who in forget if who != self.send]
            lost += ["send_"] * (self.send in forget) + ["o_", "send_"] * reset
            self.answers = deque(
                {pin: value for pin, value in pins.items() if not pin.startswith(tuple(lost))}
                for pins in self.answers
            )
        for key in taken:
            del self.asks[key]
        # what is taken need not be withdrawn
        self.asked = dict(self.asks)
        self.cycle += 1
        if reset:
            self.asks, self.asked = {}, {}
            for who in range(self.params.requesters):
                withdraw(twin, 0, who)
            twin.last[:] = self.host
            self.overtaken.clear()
        return taken

    def _answers(self, taken: set[tuple[int, int]]) -> dict[str, int]:
        """Pins that show what is loaded in this cycle, when it is answered."""
        pins: dict[str, int] = {}
        for who, bank in taken:
            request = self.asks[who, bank]
            data = int(np.int64(self.twin.answers[0, bank]).astype(np.uint64))
            if who == self.host and request.op == HostOp.READ:
                words = Request(group=0, data=data).words
                group = request.group
                valid, readers = bool(self.twin.valid[0, group]), int(self.twin.readers[0, group])
                answer = {"data": words, "valid": valid, "readers": readers}
                pins |= {
                    "o_memory__valid": 1, "o_memory__payload": pack(host_answer_layout(), answer),
                }  # fmt: skip
            elif who == self.send:
                valid = pins.get("send_valid", 0) | 1 << bank
                pins |= {"send_valid": valid, f"send_words__{bank}": data}
            elif who < self.cores and request.op == MemoryOp.LOAD:
                pins |= {f"o__{who}__valid": 1, f"o__{who}__payload": data}
        self.seen["answers"] += bool(pins)
        return pins


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5, 0.9])
async def every_cycle_is_as_in_the_twin(dut, idle):
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, rng)
    await bench.begin()
    lanes = {who: range(BANKS) for who in (bench.send, bench.receive)}
    silent: set[int] = set()
    for _ in range(CYCLES):
        withdrawn = {who for who in range(bench.params.requesters) if rng.random() < 0.01}
        bench.asks = {key: item for key, item in bench.asks.items() if key[0] not in withdrawn}
        for who in set(range(bench.params.requesters)) - withdrawn - silent:
            if who in lanes:
                # all groups of a row at once; readers of a row are the same
                if rng.random() >= idle and not any(other == who for other, _ in bench.asks):
                    rows = {bank: bench.random_request(who, bank) for bank in lanes[who]}
                    readers = rng.getrandbits(READERS)
                    for bank in rng.sample(range(BANKS), rng.randint(1, BANKS)):
                        rows[bank].readers = readers
                        bench.asks[who, bank] = rows[bank]
            elif rng.random() >= idle and not any(other == who for other, _ in bench.asks):
                request = bench.random_request(who, None)
                bench.asks[who, request.group % BANKS] = request
        forget = {who for who in range(bench.cores + 1) if rng.random() < 0.01}
        reset = rng.random() < 0.004
        await bench.tick(forget=frozenset(forget), reset=reset)
        silent = set(range(bench.params.requesters)) if reset else set()
    for name in ("accesses", "misses", "conflicts", "answers"):
        assert bench.seen[name] > 10, f"{name} must be seen, not {bench.seen}"


async def _stream(dut, ops: Callable[[int], MemoryOp], streams: int, cycles: int) -> float:
    """Let that many cores go through a part of the memory each; groups a cycle they get."""
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED))
    await bench.begin()
    length = bench.params.groups // bench.cores // BANKS * BANKS or BANKS
    at = [core * length % bench.params.groups for core in range(streams)]
    steps = [0] * streams

    def following(core: int) -> None:
        group = at[core] + steps[core] % length
        bench.asks[core, group % BANKS] = Request(
            group=group, op=ops(core), plain=1, data=bench.rng.getrandbits(LANES * WORD_BITS)
        )

    # every group valid, and everybody at the same bank to begin with
    bench.twin.valid[:] = True
    dut.i_memory__valid.value = 1
    for group in range(bench.params.groups):
        bench._drive_host(Request(group=group, op=HostOp.STATE, valid=1))
        await FallingEdge(dut.clk)
    dut.i_memory__valid.value = 0
    for core in range(streams):
        following(core)
    served = 0
    for cycle in range(2 * BANKS + cycles):
        taken = await bench.tick()
        for core, _ in taken:
            steps[core] += 1
            following(core)
        served += len(taken) * (cycle >= 2 * BANKS)
    return served / cycles


@cocotb.test()
@cocotb.parametrize(stores=[0, 1, 2])
async def streams_use_all_banks(dut, stores):
    """None of the cores stores, every second one, or all of them."""
    cores = tile_parameters().cores

    def op(core: int) -> MemoryOp:
        return MemoryOp.STORE if stores == 2 or (stores and core % 2) else MemoryOp.LOAD

    rate = await _stream(dut, op, 1, STREAM_CYCLES // 10)
    assert rate == 1, f"a core by itself must get a group a cycle, not {rate}"
    rate = await _stream(dut, op, cores, STREAM_CYCLES)
    cocotb.log.info("%d cores, %d groups of stores: %.3f groups a cycle", cores, stores, rate)
    assert rate >= 0.9875 * min(cores, BANKS), f"{cores} cores must not get {rate} groups a cycle"


@cocotb.test()
async def nobody_starves(dut):
    """One core wants a group of a bank now and then; the others and the host never let it alone."""
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, rng)
    await bench.begin()
    others = [*range(1, bench.cores), bench.host]
    waited = served = 0
    for _ in range(CYCLES):
        for who in others:
            if (who, 0) not in bench.asks:
                bench.asks[who, 0] = Request(group=0, op=MemoryOp.STORE, plain=1)
        if bench.twin.valid[0, 0] and (0, 0) not in bench.asks and rng.random() < 0.3:
            bench.asks[0, 0] = Request(group=0)
            waited = 0
        if (0, 0) in await bench.tick():
            served += 1
            assert waited <= len(others), f"must not wait {waited} cycles for {len(others)} others"
        waited += 1
    assert served > CYCLES / (len(others) + 6)
    assert bench.seen["accesses"] == CYCLES, "a bank must not be idle while somebody asks"
