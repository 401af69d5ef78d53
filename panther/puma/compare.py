"""What a node holds after a run, compared with what the interpreter of the text says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from panther.arch.core import GENERAL_BASE, LANES
from panther.arch.mcu import InBank, OutBank
from panther.host import Host
from panther.puma.interpreter import Machine
from panther.puma.masks import Plan
from panther.puma.text import GENERAL, MEMORY_WORDS, SEQUENCER, PumaProgram

_INPUT = {InBank.MVM: 0, InBank.MTVM: 128, InBank.OPA_ROWS: 256, InBank.OPA_COLUMNS: 1024}
_OUTPUT = {OutBank.MVM: 768, OutBank.MTVM: 896}
_MCU = 384


async def differences(
    host: Host, program: PumaProgram, plan: Plan, machine: Machine
) -> tuple[int, list[str]]:
    """Compare all registers, all words of memory with who is still to read them, and all cells.

    Returns
    -------
    compared : int
        Numbers compared.
    found : list of str
        The first difference of each bank, memory and matrix unit, by the names of the text.
    """
    seen = _Seen()
    params = host.params
    for (tile, unit), expected in machine.registers.items():
        core = params.tile.core
        places = [(GENERAL, GENERAL_BASE, core.registers)]
        for m in range(core.mcus):
            for into, first in _INPUT.items():
                places.append((first + _MCU * m, core.xbar_in(m, into), core.in_lines(into)))
            for out, first in _OUTPUT.items():
                places.append((first + _MCU * m, core.xbar_out(m, out), core.out_lines(out)))
        for first, address, count in places:
            words = await host.read_registers(tile, unit, address, count)
            name = f"tile {tile} core {unit}, register"
            seen.compare(name, first, expected[first : first + count], words)
    for tile in range(program.tiles):
        size = params.tile.core.memory_words
        memory = np.zeros(MEMORY_WORDS, np.int64)
        valid = np.zeros(MEMORY_WORDS // LANES, np.bool_)
        for buffer in plan.buffers:
            if buffer.tile == tile:
                text = slice(buffer.address, buffer.address + buffer.length)
                memory[buffer.place : buffer.place + buffer.length] = machine.memory[tile, text]
                groups = -(-buffer.length // LANES)
                first = buffer.place // LANES
                valid[first : first + groups] = machine.counts[tile, buffer.address] > 0
        words = await host.read_memory(tile, 0, size)
        seen.compare(f"tile {tile}, memory", 0, memory[:size], words)
        states, readers = await host.read_states(tile)
        seen.compare(f"tile {tile}, valid group", 0, valid[: size // LANES], states)
        seen.compare(f"tile {tile}, readers of group", 0, 0 * readers, readers)
    for tile, unit in program.units:
        for m in range(params.tile.core.mcus if unit != SEQUENCER else 0):
            cells = await host.read_cells(tile, unit, m)
            wanted = machine.cells.get((tile, unit, m), np.zeros(cells.shape, np.int64))
            seen.compare(f"tile {tile} core {unit}, m{m}, cell", 0, wanted, cells)
    return seen.compared, seen.found


class _Seen:
    """Counts what is compared and keeps what differs."""

    def __init__(self) -> None:
        self.compared = 0
        self.found: list[str] = []

    def compare(self, name: str, first: int, text: NDArray[Any], node: NDArray[Any]) -> None:
        self.compared += text.size
        unequal = np.argwhere(text != node)
        if len(unequal):
            at = tuple(unequal[0].tolist())
            place = first + at[0] if len(at) == 1 else at
            self.found.append(
                f"{name} {place} must be {int(text[at])}, not {int(node[at])}; "
                f"{len(unequal)} of {text.size} differ"
            )
