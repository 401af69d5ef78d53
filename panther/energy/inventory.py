"""What a node is made of: how many of each component, hence area, leakage and peak power.

Prices stand for one size of a component; another size costs in proportion, but for

- instruction memories, whose energy of a fetch grows with the square root of their size, as the
  source scales it;
- converters, that cost twice as much for every bit more than the 8 they are priced for; but not in
  sets whose price of a crossbar's access includes them: there each counts as the source's.

All of these rules are assumptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from panther.arch.core import LANES, CoreParams
from panther.arch.mcu import InBank, OutBank
from panther.arch.node import NodeParams
from panther.arch.params import McuParams
from panther.arch.tile import TileParams
from panther.energy.bill import Bill
from panther.energy.prices import PriceSet

LINES = 128
"""Of the crossbar, and of the banks of XbarIn and XbarOut, that are priced."""
ADC_BITS = 8
REGISTER_BYTES = 2048
INSTRUCTIONS = 512
MEMORY_BYTES = 1 << 16
QUEUE_ROWS = 64
WORD_BYTES = 2

Parts = Mapping[str, float]
"""How many of each component; of another size than priced, as many as it is worth."""


def cells(mcu: McuParams) -> float:
    """Size of a crossbar, the priced one being 1."""
    return mcu.rows * mcu.columns / LINES**2


def converter(mcu: McuParams, *, by_bits: bool) -> float:
    """What the converters of all slices are worth: one of 8 bits is 1.

    Parameters
    ----------
    mcu : McuParams
    by_bits : bool
        Whether their bits count.
    """
    one = [2.0 ** (bits - ADC_BITS) if by_bits else 1.0 for bits in mcu.adc_bits]
    return mcu.adc.per_slice * sum(one)


def by_bits(prices: PriceSet) -> bool:
    """Whether a price set has converters by themselves, so that their bits count."""
    return not prices.action("adc", "convert").included_in


def copies_of(variant: str) -> int:
    """Arrays of every slice: V3 has one that is updated and two that are read, for MVM and MTVM."""
    return 3 if variant == "V3" else 1


def mcu_parts(mcu: McuParams, prices: PriceSet, *, copies: int = 1) -> Parts:
    """Components of a matrix unit.

    Parameters
    ----------
    mcu : McuParams
    prices : PriceSet
        Says whether the bits of converters count.
    copies : int
        Arrays of every slice; see :func:`copies_of`.
    """
    slices, lines = mcu.slices.count, mcu.rows + mcu.columns
    return {
        "crossbar": copies * slices * cells(mcu),
        # rows drive all slices with one bit, columns each with its digit
        "dac": copies * (mcu.rows + mcu.columns * slices),
        "sample_hold": copies * lines * slices,
        "adc": converter(mcu, by_bits=by_bits(prices)),
        "shift_add": float(mcu.adc.per_slice * slices),
        "slice_carry": slices / 8 * mcu.adc.per_slice,
        "xbar_in": 2 * lines / LINES * len(InBank) / 4,
        "xbar_out": lines / LINES * len(OutBank) / 2,
    }


def core_parts(core: CoreParams) -> Parts:
    """Components of a core but its matrix units."""
    return {
        "alu": float(LANES),
        "activation": float(LANES),
        "core_memory": WORD_BYTES * core.registers / REGISTER_BYTES,
        "instruction_memory": core.instructions / INSTRUCTIONS,
        "core_control": 1.0,
    }


def tile_parts(tile: TileParams) -> Parts:
    """Components of a tile but its cores, its router included."""
    memory = WORD_BYTES * tile.core.memory_words / MEMORY_BYTES
    return {
        "tile_memory": memory,
        "tile_bus": 1.0,
        "tile_memory_controller": 1.0,
        "counter_buffer": memory,
        "receive_buffer": tile.fifos * tile.fifo_rows / QUEUE_ROWS,
        "tile_instruction_memory": tile.instructions / INSTRUCTIONS,
        "tile_control": 1.0,
        "router": 1.0,
    }


def fetch(instructions: int) -> float:
    """What a fetch is worth: one of 512 words is 1."""
    return sqrt(instructions / INSTRUCTIONS)


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Area and leakage of a node, level by level; a core's are without its matrix units, a tile's
    without its cores.

    Bills: areas in m2, leakage in W.
    """

    node: NodeParams
    prices: PriceSet
    copies: int = 1

    @property
    def mcu(self) -> Parts:
        """Components of one matrix unit."""
        return mcu_parts(self.node.tile.core.mcu, self.prices, copies=self.copies)

    @property
    def core(self) -> Parts:
        """Components of one core but its matrix units."""
        return core_parts(self.node.tile.core)

    @property
    def tile(self) -> Parts:
        """Components of one tile but its cores."""
        return tile_parts(self.node.tile)

    def area(self, parts: Parts) -> Bill:
        """In m2."""
        prices = self.prices
        return Bill({prices.component(name).area: count for name, count in parts.items()})

    def leakage(self, parts: Parts) -> Bill:
        """In W, while it is not power-gated."""
        prices = self.prices
        return Bill({prices.component(name).leakage: count for name, count in parts.items()})

    @property
    def whole(self) -> Parts:
        """Components of the whole node."""
        node, tile = self.node, self.node.tile
        found: dict[str, float] = {}
        for parts, count in (
            (self.mcu, node.tiles * tile.cores * tile.core.mcus),
            (self.core, node.tiles * tile.cores),
            (self.tile, node.tiles),
        ):
            for name, number in parts.items():
                found[name] = found.get(name, 0.0) + count * number
        return found
