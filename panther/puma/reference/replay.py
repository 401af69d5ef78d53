"""What a run costs: accesses and cycles of the reference's machine, at the prices of a set."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from panther.energy import CYCLE_S, PriceSet
from panther.puma.masks import INPUT_TILE
from panther.puma.reference.cores import LANES, SIZE, SLICES, Latencies
from panther.puma.reference.machine import Activity, run_machine
from panther.puma.reference.quirks import Quirks
from panther.puma.text import MCUS, PumaProgram, Unit

TILES_OF_ROUTER = 4
ROWS: Mapping[str, tuple[str, ...]] = {
    "mvm": ("crossbar.mvm_step",),
    "mtvm": ("crossbar.mtvm_step",),
    "opa": ("crossbar.pulse",),
    "tile memory": ("tile_memory", "tile_bus", "tile_memory_controller", "counter_buffer",
                    "receive_buffer"),
    "noc": ("router",),
    "core registers and memory": ("xbar_in", "xbar_out", "core_memory", "instruction_memory",
                                  "tile_instruction_memory"),
    "alu": ("alu", "shift_add"),
    "converters": ("dac", "adc", "sample_hold"),
    "control": ("core_control", "tile_control"),
}  # fmt: skip
"""What a report adds up: components, or actions of them."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Time and energy of a program on the reference simulator."""

    program: str
    prices: str
    """Name of the set."""
    operations: Mapping[str, int]
    """MVM, MTVM and OPA of the program."""
    cycles: int
    core_cycles: Mapping[Unit, int]
    """Until each core has halted."""
    tile_cycles: Mapping[int, int]
    """Until each tile has halted."""
    network_cycles: int
    """In which a message is on its way."""
    counts: Mapping[str, float]
    """What is charged, by component and action: ``tile_memory.access``."""
    dynamic_by_j: Mapping[str, float]
    """Energy of what is charged, by component and action."""
    leakage_by_j: Mapping[str, float]
    """Energy of leakage, by component."""

    @property
    def time_s(self) -> float:
        return self.cycles * CYCLE_S

    @property
    def dynamic_j(self) -> float:
        return sum(self.dynamic_by_j.values())

    @property
    def leakage_j(self) -> float:
        return sum(self.leakage_by_j.values())

    @property
    def total_j(self) -> float:
        return self.dynamic_j + self.leakage_j

    def rows(self) -> dict[str, float]:
        """Energies in J by the rows of ``ROWS``, and leakage; their sum is ``total_j``."""
        found = {
            row: sum(
                energy
                for name, energy in self.dynamic_by_j.items()
                if name in parts or name.partition(".")[0] in parts
            )
            for row, parts in ROWS.items()
        }
        return found | {"leakage": self.leakage_j}


def replay(program: PumaProgram, prices: PriceSet, quirks: Quirks | None = None) -> Replay:
    """Run a program as the reference simulator does, and charge what it charges.

    Parameters
    ----------
    program
        What to run, with its text's own counters.
    prices
        What accesses and leakage cost, and the cycles of matrix operations.
    quirks
        All those of the reference if left out.

    Raises
    ------
    PriceError
        If a price is missing.
    Blocked
        If the program does not come to its end.
    PumaError
        If the program cannot be run; see ``run_machine``.
    """
    quirks = quirks or Quirks()
    activity = run_machine(program, latencies(prices, quirks), quirks)
    counts = _counts(activity, quirks)
    return Replay(
        program=program.name, prices=prices.name, operations=program.operations(),
        cycles=activity.cycles, core_cycles=activity.core_cycles,
        tile_cycles=activity.tile_cycles, network_cycles=activity.network_cycles, counts=counts,
        dynamic_by_j={
            name: count * prices.action(*name.split(".")).alone for name, count in counts.items()
        },
        leakage_by_j={
            name: cycles * CYCLE_S * prices.leakage_w(name)
            for name, cycles in _leaking(activity, quirks).items()
        },
    )  # fmt: skip


def latencies(prices: PriceSet, quirks: Quirks) -> Latencies:
    """Cycles of matrix operations by a price set."""
    # (100 * 8.97) * 18 in binary, and a cycle for the rest
    extra = quirks.latencies_in_floats and prices.name == "digital"
    return Latencies(mvm=prices.cycles["mvm"] + extra, opa=prices.cycles["opa"])


def _counts(activity: Activity, quirks: Quirks) -> dict[str, float]:
    """What is charged, of all tiles together."""
    tiles = _charged(activity, quirks)
    counts: Counter[str] = Counter()
    for tile in tiles:
        counts.update(activity.counts[tile])
    of_cores, of_tiles = _cycles(activity, tiles)
    if quirks.control_swapped:
        of_cores, of_tiles = of_tiles, of_cores
    counts["core_control.cycle"] = of_cores
    counts["tile_control.cycle"] = of_tiles
    counts["router.flit"] = activity.network_cycles * _routers(activity, quirks)
    return {name: float(count) for name, count in counts.items()}


def _leaking(activity: Activity, quirks: Quirks) -> dict[str, float]:
    """Cycles that components leak, all of a kind together."""
    tiles = _charged(activity, quirks)
    of_cores, of_tiles = _cycles(activity, tiles)
    of_routers = activity.network_cycles
    if not quirks.power_gated:
        of_tiles = activity.cycles * len(tiles)
        of_cores = of_tiles * (len(activity.core_cycles) // len(activity.tile_cycles))
        of_routers = activity.cycles
    in_cores = {
        "crossbar": 4 * MCUS * SLICES,
        # one array for a product's rows, one for its columns, one for an outer product's rows and
        # one for the columns of each of its slices
        "dac": MCUS * (3 + SLICES) * SIZE,
        "sample_hold": 2 * MCUS * SIZE * (1 if quirks.one_lane_leaks else SLICES),
        "adc": 2 * MCUS,
        "shift_add": 2 * MCUS,
        "xbar_in": 3 * MCUS,
        "xbar_out": 3 * MCUS,
        "instruction_memory": 1,
        "core_memory": 1,
        "alu": 1 if quirks.one_lane_leaks else LANES,
        "activation": 1,
        "core_control": 1,
    }
    in_tiles = (
        "tile_memory", "tile_bus", "tile_memory_controller", "counter_buffer", "receive_buffer",
        "tile_instruction_memory", "tile_control",
    )  # fmt: skip
    found = {name: float(of_cores * number) for name, number in in_cores.items()}
    found |= {name: float(of_tiles) for name in in_tiles}
    return found | {"router": float(of_routers * _routers(activity, quirks))}


def _charged(activity: Activity, quirks: Quirks) -> list[int]:
    return [
        tile for tile in activity.tile_cycles if tile != INPUT_TILE or not quirks.first_tile_free
    ]


def _cycles(activity: Activity, tiles: list[int]) -> tuple[int, int]:
    """Cycles of all cores and of all tiles, each until it halts."""
    of_cores = sum(cycles for (tile, _), cycles in activity.core_cycles.items() if tile in tiles)
    return of_cores, sum(activity.tile_cycles[tile] for tile in tiles)


def _routers(activity: Activity, quirks: Quirks) -> int:
    return 1 if quirks.one_router else -(-len(activity.tile_cycles) // TILES_OF_ROUTER)
