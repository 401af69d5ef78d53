"""Three cores that hand each other words at addresses they use again and again.

Core 0 produces blocks for cores 1 and 2; core 1 works on them and hands the outcome to cores 0
and 2. Every block lies where the one ``DEPTH`` before it lay, so a reader that is too fast, or a
writer that does not wait, would get hold of what is meant for another. How long everybody dawdles
is the schedule.
"""

import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.system.node import Node
from panther.arch.core import GENERAL_BASE
from panther.arch.node import NodeParams
from panther.asm import assemble_text

CORES = 3
BLOCKS = 16
WORDS = 4
DEPTH = 2
"""Addresses used in turn."""
PRODUCED, WORKED = 0, WORDS * DEPTH
"""Where the blocks of core 0, and those of core 1, lie in memory."""
KEPT = BLOCKS * WORDS
"""Words each core keeps of what it has read, two streams at most."""


def _produced(block: int) -> int:
    return 3 * block + 1


def expected(core: int) -> NDArray[np.int16]:
    """What a core has read in the end, in the order of its general registers."""
    blocks = np.arange(BLOCKS)
    produced = np.repeat(3 * blocks + 1, WORDS).astype(np.int16)
    worked = np.repeat(6 * blocks + 2 + blocks, WORDS).astype(np.int16)
    return {
        0: worked,
        1: produced,
        2: np.concatenate([produced, worked]),
    }[core]


def texts(schedule: int, *, synchronised: bool = True) -> list[str]:
    """Each core's program; without synchronisation they take what is there."""
    return ["\n".join([*_lines(core, schedule, synchronised), "hlt"]) for core in range(CORES)]


def _lines(core: int, schedule: int, synchronised: bool) -> Iterator[str]:
    generator = random.Random(f"{schedule} {core}")
    slow = generator.choice((0, 3, 12, 40))
    take = ", take" if synchronised else ""

    def dawdle() -> Iterator[str]:
        if cycles := generator.randint(0, slow):
            label = f"l{generator.getrandbits(60)}"
            yield f"loop {cycles}, {label}\nnop\n{label}:"

    def load(base: int, block: int, register: int) -> str:
        address = base + WORDS * (block % DEPTH)
        return f"ld r{register + WORDS * block}, s0, {address}, {WORDS}{take}"

    def store(register: int, base: int, block: int, readers: str) -> str:
        address = base + WORDS * (block % DEPTH)
        return f"st r{register}, s0, {address}, {WORDS}, {readers if synchronised else 'plain'}"

    scratch = 2 * KEPT - WORDS if core < 2 else 0
    for block in range(BLOCKS):
        yield from dawdle()
        if core == 0:
            yield f"vset r{scratch}, {_produced(block)}, {WORDS}"
            yield store(scratch, PRODUCED, block, "core1|core2")
            if block >= 1:  # one block behind, so that both directions are under way
                yield from dawdle()
                yield load(WORKED, block - 1, 0)
        elif core == 1:
            yield load(PRODUCED, block, 0)
            yield from dawdle()
            yield f"vi.mul r{scratch}, r{WORDS * block}, 2, {WORDS}, 0"
            yield f"vi.add r{scratch}, r{scratch}, {block}, {WORDS}"
            yield store(scratch, WORKED, block, "core0|core2")
        else:
            yield load(PRODUCED, block, 0)
            yield from dawdle()
            yield load(WORKED, block, KEPT)
    if core == 0:
        yield load(WORKED, BLOCKS - 1, 0)


def outcome(params: NodeParams, schedule: int, *, synchronised: bool = True) -> bytes:
    """What all cores have read, after a run at transaction level."""
    node = Node(params)
    if not synchronised:
        node.load_memory(0, 0, np.zeros(2 * WORKED, np.int16))
    for core, text in enumerate(texts(schedule, synchronised=synchronised)):
        node.load(0, core, assemble_text(text, params.tile.core).words)
    node.start({(0, core): 0 for core in range(CORES)})
    if not node.run():
        raise RuntimeError(f"Schedule {schedule} must come to an end")
    return b"".join(read(node, core).tobytes() for core in range(CORES))


def read(node: Node, core: int) -> NDArray[np.int16]:
    """What a core has read."""
    count = expected(core).size
    return node.core(0, core).registers[GENERAL_BASE : GENERAL_BASE + count]


def outcome_with_counts(schedule: int) -> bytes:
    """The same dataflow, were readers counted instead of named: whoever comes first may take."""
    generator = random.Random(schedule)
    speed = [generator.choice((1, 4, 16)) for _ in range(CORES)]
    values, readers = [0] * (2 * DEPTH), [0] * (2 * DEPTH)
    taken: list[list[int]] = [[] for _ in range(CORES)]

    def run(core: int) -> Iterator[None]:
        def load(stream: int, block: int) -> Iterator[None]:
            place = DEPTH * stream + block % DEPTH
            while not readers[place]:
                yield
            readers[place] -= 1
            taken[core].append(values[place])
            yield

        def store(stream: int, block: int, value: int) -> Iterator[None]:
            place = DEPTH * stream + block % DEPTH
            while readers[place]:
                yield
            values[place], readers[place] = value, 2
            yield

        for block in range(BLOCKS):
            if core == 0:
                yield from store(0, block, _produced(block))
                if block >= 1:
                    yield from load(1, block - 1)
            elif core == 1:
                yield from load(0, block)
                yield from store(1, block, 2 * taken[1][-1] + block)
            else:
                yield from load(0, block)
                yield from load(1, block)
        if core == 0:
            yield from load(1, BLOCKS - 1)

    running = {core: run(core) for core in range(CORES)}
    for _ in range(100_000):
        if not running:
            break
        core = generator.choices(list(running), [speed[c] for c in running])[0]
        try:
            next(running[core])
        except StopIteration:
            del running[core]
    return repr((taken, sorted(running))).encode()
