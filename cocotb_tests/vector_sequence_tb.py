"""VectorSequence against a list of groups, with lanes that take and return them at random."""

import random
from collections import deque

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.drivers import Pauses, start
from cocotb_tests.pins import compare_pins
from panther.arch.core import ADDRESS_BITS, LANES

CYCLES = 2500
LONGEST = 1023
INPUTS = ("start", "d", "a", "b", "length", "ready", "written")


@cocotb.test()
@cocotb.parametrize(pauses=["none", "source", "sink", "both"])
async def vectors_go_group_by_group(dut, pauses):
    rng = random.Random(cocotb.RANDOM_SEED)
    busy = Pauses(rng, 0.5 if pauses in ("source", "both") else 0.0)
    late = Pauses(rng, 0.5 if pauses in ("sink", "both") else 0.0)
    # groups to be read, as their place in the vectors; handed over in this cycle; to be written
    waiting: deque[int] = deque()
    handed: int | None = None
    lanes: deque[int] = deque()
    at = {"d": 0, "a": 0, "b": 0}
    length = ended = 0
    await start(dut, *INPUTS)

    def words(group: int) -> int:
        return min(LANES, length - group)

    for cycle in range(CYCLES):
        begin = not waiting and handed is None and not lanes and rng.random() < 0.7
        # what comes without start must leave no trace
        size = rng.choice((1, 3, 4, 5, rng.randint(1, 30), rng.randint(1, 30)))
        if rng.random() < 0.02:
            size = rng.randint(1, LONGEST)
        last = (1 << ADDRESS_BITS) - size
        places = {name: rng.choice((0, last, rng.randint(0, last))) for name in at}
        dut.start.value, dut.length.value = begin, size
        for name, place in places.items():
            getattr(dut, name).value = place
        if begin:
            at, length = places, size
            waiting.extend(range(0, length, LANES))
        ready = not busy
        dut.ready.value = ready
        write = bool(lanes) and not late
        dut.written.value = write
        await RisingEdge(dut.clk)
        where = f"cycle {cycle}"
        read = begin or (bool(waiting) and ready)
        golden = {"read": read, "o_valid": handed is not None}
        if read:
            golden |= {f"address_{name}": at[name] + waiting[0] for name in "ab"}
        if handed is not None:
            golden |= {"o_count": words(handed), "o_last": handed + LANES >= length}
        if write:
            golden["address"] = at["d"] + lanes[0]
        compare_pins("VectorSequence", where, dut, **golden)
        if write:
            ended += lanes.popleft() + LANES >= length
        if handed is not None:
            lanes.append(handed)
        handed = waiting.popleft() if read else None
        await FallingEdge(dut.clk)
    assert ended > 20, f"more than 20 vectors must end, not {ended}"
