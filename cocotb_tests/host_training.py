"""A little training, run by a host on any small node in pieces that end with a halt.

Nothing begins anew in a piece: cells, registers, scalar registers, the random generator, counters
and the memories all go on. The first tile sends what it has summed up to the last one.
"""

import numpy as np
from numpy.typing import NDArray

from panther.arch.node import NodeParams
from panther.arch.tile import SEQUENCER
from panther.asm import Program, assemble_text
from panther.host import Host

EXAMPLES = 3
"""In a piece."""
PIECES = 4
"""There are examples for; then they come again."""
SENT, CAME = 48, 52
"""Places in the memories."""

_TRAIN = f"""
        sset    s6, {4 * EXAMPLES * PIECES}
        br.lt   s4, s6, go
        sset    s4, 0
go:     loop    {EXAMPLES}, done
        ld      m0.mvm_in, s4, 0, 4
        mcu     m0:mvm
        v.mov   m0.opa_rows, m0.mvm_in, 4
        vs.mul  r0, m0.mvm_out, s2, 4, 9
        v.add   r4, r4, r0, 4
        v.mov   m0.opa_columns, r0, 4
        mcu     m0:opa
        sadd    s4, s4, 4
        crs     m0
done:   sadd    s5, s5, 1
"""
_SEND = f"        st      r4, s0, {SENT}, 4, send_unit\n"
_TAKE = f"        ld      r8, s0, {CAME}, 4, take\n        v.add   r12, r12, r8, 4\n"


def programs(params: NodeParams) -> dict[tuple[int, int], Program]:
    """Program of core 0 of every tile, and of the sequencers of the first and the last one."""
    last = params.tiles - 1
    texts: dict[tuple[int, int], str] = {}
    for tile in range(params.tiles):
        texts[tile, 0] = _TRAIN + (_SEND if tile == 0 else "") + (_TAKE if tile == last else "")
    texts[0, SEQUENCER] = f"        send    s0, {SENT}, 4, {last}, 0\n"
    texts[last, SEQUENCER] = texts.get((last, SEQUENCER), "") + (
        f"        recv    s0, {CAME}, 4, 0, core0\n"
    )
    return {
        (tile, unit): assemble_text(
            text + "        hlt\n", params.tile.core, name=f"tile{tile}.{unit}.pasm"
        )
        for (tile, unit), text in texts.items()
    }


async def load(host: Host) -> None:
    """Write the programs."""
    await host.load_programs(programs(host.params))


async def prepare(host: Host, seed: int) -> None:
    """Programs, random cells and examples, and stochastic rounding."""
    await load(host)
    rng = np.random.default_rng(seed)
    params = host.params.tile
    for tile in range(host.params.tiles):
        await host.write_memory(tile, 0, rng.integers(-300, 300, 4 * EXAMPLES * PIECES))
        for core in range(params.cores):
            slices = params.core.mcu.slices
            shape = params.core.mcu.rows, params.core.mcu.columns
            for m in range(params.core.mcus):
                cells = [rng.integers(-4, 4, shape) for _ in range(slices.count)]
                await host.write_cells(tile, core, m, np.stack(cells))
        scalars = np.zeros(32, np.int32)
        scalars[2] = 77
        await host.write_scalars(tile, 0, scalars)
        await host.write_registers(tile, 0, 6144, np.zeros(params.core.registers, np.int16))
        await host.write_csr(tile, 0, "rounding", 1)
        await host.write_csr(tile, 0, "seed", 1000 + seed + tile)


async def go_on(host: Host, pieces: int) -> None:
    """Train so many pieces."""
    for _ in range(pieces):
        await host.run(dict.fromkeys(programs(host.params), 0), limit_cycles=20_000)


def differences(
    expected: dict[str, NDArray[np.generic]], found: dict[str, NDArray[np.generic]]
) -> list[str]:
    """Names of what is not the same."""
    return [
        name
        for name in sorted({*expected, *found})
        if not np.array_equal(expected.get(name, ()), found.get(name, ()))
    ]
