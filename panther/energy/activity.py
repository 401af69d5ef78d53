"""From a machine's counters to what its components did, and what that costs.

Counters are those of :func:`panther.arch.tile.counter_names` and of the router; RTL and twin count
the same, so they cost the same. What a counter says of a component follows from the parameters
alone: every bit step of an MVM drives all rows of all slices, and so on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from panther.arch.node import NodeParams, Port
from panther.energy.bill import Bill
from panther.energy.inventory import Inventory, by_bits, cells, converter, fetch
from panther.energy.prices import PriceSet

Counts = Mapping[str, int]
Actions = dict[tuple[str, str], float]
"""How many actions of which component; of another size than priced, as many as they are worth."""

CYCLE_S = 1e-9
"""One cycle at the 1 GHz all sources assume."""


def mcu_actions(
    node: NodeParams, counts: Counts, *, by_bits: bool = False, copies: int = 1
) -> Actions:
    """What the components of a matrix unit did.

    Parameters
    ----------
    node : NodeParams
    counts : mapping of str to int
        By the names of the unit's counters alone: ``busy``, ``mvm_steps`` and so on.
    by_bits : bool
        Whether the bits of converters count; see :func:`panther.energy.inventory.by_bits`.
    copies : int
        Arrays of every slice, all of which a row is written to; see
        :func:`panther.energy.inventory.copies_of`.
    """
    mcu = node.tile.core.mcu
    slices, size, bits = mcu.slices.count, cells(mcu), mcu.operand_bits
    rows, columns = mcu.rows, mcu.columns
    mvm, mtvm, pulses = counts["mvm_steps"], counts["mtvm_steps"], counts["pulses"]
    reads, writes = counts["row_reads"], counts["row_writes"]
    # a row of another length than priced costs in proportion
    row = columns / 128
    return {
        ("crossbar", "mvm_step"): mvm * slices * size,
        ("crossbar", "mtvm_step"): mtvm * slices * size,
        ("crossbar", "pulse"): pulses * slices * size,
        ("crossbar", "row_read"): reads * slices * row,
        ("crossbar", "row_write"): writes * slices * row * copies,
        ("dac", "drive"): float(mvm * rows + mtvm * columns),
        ("dac", "pulse"): float(pulses * (rows + columns * slices)),
        ("sample_hold", "sample"): float((mvm * columns + mtvm * rows) * slices),
        ("adc", "convert"): counts["conversions"] * converter(mcu, by_bits=by_bits),
        ("shift_add", "add"): float(counts["conversions"] * mcu.adc.per_slice * slices),
        ("slice_carry", "resolve"): float(writes * columns * slices),
        # rows for MVM, columns for MTVM; both, once for the four phases of a step, in OPA
        ("xbar_in", "read"): (mvm * rows + mtvm * columns + pulses / 4 * (rows + columns)) / 128,
        # a product leaves a word a line
        ("xbar_out", "access"): (mvm * columns + mtvm * rows) / bits,
    }


def core_actions(node: NodeParams, counts: Counts) -> Actions:
    """What the components of a core but its matrix units did; ``counts`` likewise."""
    core = node.tile.core
    return {
        ("alu", "mul"): float(counts["mul"]),
        ("alu", "div"): float(counts["div"]),
        ("alu", "other"): float(counts["other"]),
        ("activation", "lookup"): float(counts["table"]),
        # words of XbarIn and XbarOut among them: there is one count for the whole register file
        ("core_memory", "access"): float(counts["words_read"] + counts["words_written"]),
        ("instruction_memory", "fetch"): counts["instructions"] * fetch(core.instructions),
        ("core_control", "cycle"): float(counts["running"]),
    }


def tile_actions(node: NodeParams, counts: Counts, router: Counts) -> Actions:
    """What the components of a tile but its cores did, its router included."""
    flits = sum(router[f"{port.name.lower()}.flits"] for port in Port)
    rows = 2.0 * counts["received"]  # into a queue, and out of it
    return {
        ("tile_memory", "group"): float(counts["accesses"]),
        ("tile_bus", "group"): float(counts["accesses"]),
        ("tile_memory_controller", "access"): float(counts["accesses"]),
        # refused requests look at a group's readers, too
        ("counter_buffer", "access"): float(counts["accesses"] + counts["misses"]),
        ("receive_buffer", "access"): rows,
        ("tile_instruction_memory", "fetch"): counts["instructions"]
        * fetch(node.tile.instructions),
        ("tile_control", "cycle"): float(counts["active"]),
        ("router", "flit"): float(flits),
    }


def priced(actions: Actions, prices: PriceSet) -> Bill:
    """Energy of actions, in J.

    Raises
    ------
    PriceError
        If one that happened has no price.
    """
    bill = Bill()
    for (component, action), count in actions.items():
        if count:
            bill.add(prices.action(component, action), count)
    return bill


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Of one unit, or of several together; bills in J."""

    dynamic: Bill
    leakage: Bill

    @property
    def bill(self) -> Bill:
        """Both."""
        return self.dynamic + self.leakage

    @property
    def total_j(self) -> float:
        """Both, in J."""
        return self.dynamic.total + self.leakage.total

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(dynamic=self.dynamic + other.dynamic, leakage=self.leakage + other.leakage)


NOTHING = Energy(dynamic=Bill(), leakage=Bill())


def unit_counts(counters: Counts, prefix: str = "") -> dict[str, int]:
    """Counters of a core (``core0.``) or a matrix unit (``core0.m1.``) by their own names; of the
    tile without a prefix.
    """
    found = {}
    for name, count in counters.items():
        if name.startswith(prefix) and "." not in name[len(prefix) :]:
            found[name[len(prefix) :]] = count
    return found


class Meter:
    """Energy of a node's units from their counters.

    Matrix units and cores leak while their core runs, a tile while it is active, routers all the
    time: who has halted is switched off, as in the paper's simulator.

    Parameters
    ----------
    node : NodeParams
    prices : PriceSet
    copies : int
        Arrays of every slice; see :func:`panther.energy.inventory.copies_of`.
    """

    def __init__(self, node: NodeParams, prices: PriceSet, *, copies: int = 1) -> None:
        self.node, self.prices = node, prices
        self.inventory = Inventory(node=node, prices=prices, copies=copies)
        inventory = self.inventory
        router = {"router": inventory.tile["router"]}
        rest = {name: n for name, n in inventory.tile.items() if name != "router"}
        self._leaks = {
            name: inventory.leakage(parts) * CYCLE_S
            for name, parts in (
                ("mcu", inventory.mcu), ("core", inventory.core), ("tile", rest),
                ("router", router),
            )
        }  # fmt: skip

    def of_mcu(self, counts: Counts) -> Bill:
        """Dynamic energy of a matrix unit, or of several, from counters by their own names."""
        copies = self.inventory.copies
        actions = mcu_actions(self.node, counts, by_bits=by_bits(self.prices), copies=copies)
        return priced(actions, self.prices)

    def mcu(self, counters: Counts, core: int, mcu: int) -> Energy:
        """Of matrix unit ``mcu`` of core ``core``, from its tile's counters."""
        return Energy(
            dynamic=self.of_mcu(unit_counts(counters, f"core{core}.m{mcu}.")),
            leakage=self._leaks["mcu"] * counters[f"core{core}.running"],
        )

    def core(self, counters: Counts, core: int) -> Energy:
        """Of a core but its matrix units, from its tile's counters."""
        counts = unit_counts(counters, f"core{core}.")
        return Energy(
            dynamic=priced(core_actions(self.node, counts), self.prices),
            leakage=self._leaks["core"] * counts["running"],
        )

    def tile(self, counters: Counts, router: Counts, cycles: int) -> Energy:
        """Of a tile but its cores, its router included, in a run of so many cycles."""
        counts = unit_counts(counters)
        return Energy(
            dynamic=priced(tile_actions(self.node, counts, router), self.prices),
            leakage=self._leaks["tile"] * counts["active"] + self._leaks["router"] * cycles,
        )

    def whole(self, counters: list[Counts], routers: list[Counts], cycles: int) -> Energy:
        """Of all units of all tiles."""
        found = NOTHING
        tile = self.node.tile
        for counts, router in zip(counters, routers, strict=True):
            found += self.tile(counts, router, cycles)
            for core in range(tile.cores):
                found += self.core(counts, core)
                for mcu in range(tile.core.mcus):
                    found += self.mcu(counts, core, mcu)
        return found
