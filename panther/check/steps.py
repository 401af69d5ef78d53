"""Programs as steps: what of every instruction matters to control, memory and messages."""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

from panther.arch.isa import (
    CORE_INSTRUCTIONS,
    TILE_PROGRAM_INSTRUCTIONS,
    Condition,
    ScalarFunction,
    Unit,
    decode,
)
from panther.arch.node import NodeParams
from panther.arch.tile import SEQUENCER


class Do(IntEnum):
    """First item of a step; what follows it."""

    SKIP = 0
    """Next pc, instructions, register ranges that are written: changes nothing else."""
    HALT = 1
    JUMP = 2
    """Target."""
    BRANCH = 3
    """Condition, sa, sb, target."""
    LOOP = 4
    """Count, register with the count or 0, end."""
    SET = 5
    """sd, value."""
    ADD = 6
    """sd, sa, number."""
    ALU = 7
    """Function, sd, sa, sb."""
    FORGET = 8
    """sd, of which nothing is known afterwards."""
    REDUCE = 9
    """Whether it is the maximum, sd, first register, words."""
    LOAD = 10
    """Base, offset, words of a row, rows, stride, take, first register."""
    STORE = 11
    """Base, offset, words, plain, readers."""
    RELEASE = 12
    """Base, offset, words."""
    SEND = 13
    """Base, offset, words, tile, queue."""
    RECEIVE = 14
    """Base, offset, words, queue, readers."""
    FAULT = 15
    """What is wrong."""


Step = tuple[Any, ...]


def steps_of(params: NodeParams, unit: int, words: Sequence[int]) -> list[Step]:
    """The steps of a core's program, or ``SEQUENCER``'s, one for each address.

    Instructions that change nothing but registers of vectors are gone over in one step, unless a
    loop ends between them.
    """
    steps = [_step(params, unit, pc, int(word)) for pc, word in enumerate(words)]
    ends = {step[3] for step in steps if step[0] == Do.LOOP}
    for pc in range(len(steps) - 2, -1, -1):
        if steps[pc][0] == Do.SKIP == steps[pc + 1][0] and pc + 1 not in ends:
            _, following, count, written = steps[pc + 1]
            steps[pc] = (Do.SKIP, following, count + 1, steps[pc][3] + written)
    return steps


def _step(params: NodeParams, unit: int, pc: int, word: int) -> Step:
    tile = params.tile
    sequencer = unit == SEQUENCER
    legal = TILE_PROGRAM_INSTRUCTIONS if sequencer else CORE_INSTRUCTIONS
    found = decode(word) if word else None
    if found is None or found[0].mnemonic not in legal:
        return Do.FAULT, f"is no instruction of a {'sequencer' if sequencer else 'core'}"
    item, value = found
    name = item.mnemonic
    stem = name.partition(".")[0]
    if stem in ("loop", "loops"):
        limit = tile.instructions if sequencer else tile.core.instructions
        if not pc + 1 < value["end"] <= limit:
            return Do.FAULT, f"the loop must end between {pc + 2} and {limit}"
        return Do.LOOP, value.get("count", 0), value.get("sb", 0), value["end"]
    if name == "send" and not (value["tile"] < params.tiles and value["fifo"] < tile.fifos):
        return Do.FAULT, f"queue {value['fifo']} of tile {value['tile']} does not exist"
    if name == "recv" and value["fifo"] >= tile.fifos:
        return Do.FAULT, f"queue {value['fifo']} does not exist"
    if item.unit is Unit.VECTOR and stem != "vr":
        return Do.SKIP, pc + 1, 1, ((value["d"], value["d"] + value["len"]),)
    match stem:
        case "br":
            return Do.BRANCH, Condition(item.function or 0), *_of(value, "sa sb target")
        case "salu":
            return Do.ALU, ScalarFunction(item.function or 0), *_of(value, "sd sa sb")
        case "vr":
            return Do.REDUCE, name == "vr.max", *_of(value, "sd a len")
        case "ld":
            return Do.LOAD, *_of(value, "base offset len"), 1, 0, *_of(value, "take d")
    if stem in _FIELDS:
        do, names = _FIELDS[stem]
        return do, *_of(value, names)
    return Do.SKIP, pc + 1, 1, ()


_FIELDS = {
    "hlt": (Do.HALT, ""),
    "jmp": (Do.JUMP, "target"),
    "csrr": (Do.FORGET, "sd"),
    "sset": (Do.SET, "sd imm"),
    "sadd": (Do.ADD, "sd sa imm"),
    "ld2": (Do.LOAD, "base offset len rows stride take d"),
    "st": (Do.STORE, "base offset len plain readers"),
    "inv": (Do.RELEASE, "base offset len"),
    "send": (Do.SEND, "base offset len tile fifo"),
    "recv": (Do.RECEIVE, "base offset len fifo readers"),
}


def _of(value: dict[str, int], names: str) -> Iterator[int]:
    """The fields of these names."""
    return (value[name] for name in names.split())
