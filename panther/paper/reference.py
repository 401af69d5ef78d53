"""The paper's own accounting: its compiler's programs on its simulator, replayed.

Programs are those in ``tests/data/puma``, so this needs a checkout: mlpPanther
(1024-256-512-512-10) and convGPanther (1152 x 256), one example forward, backward and update.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from panther.energy import CYCLE_S, Bill, load_prices
from panther.paper.machines import (
    BASE_MVM,
    BASE_OPA,
    DIGITAL,
    DIGITAL_MAC,
    SOURCE,
    Accounting,
    Cost,
    Machine,
    prices_by_name,
    resolution,
    serial_cycles,
)
from panther.puma.reference import Replay, replay
from panther.puma.text import read_program

PROGRAMS = Path(__file__).parents[2] / "tests" / "data" / "puma"
BENCHMARKS = {"mlpPanther": "MLP-L4", "convGPanther": "convolution G, 1152 x 256"}
PANTHER = SOURCE
"""What the source calls PANTHER."""
REFERENCE_MACHINES = (PANTHER, DIGITAL, DIGITAL_MAC, BASE_MVM, BASE_OPA)
RTOL = 1e-9
"""To which a bill's sum is the replay's."""


@dataclass(frozen=True, kw_only=True)
class ReferenceStep:
    """A benchmark on a machine of the simulator, for one example, without serial access."""

    benchmark: str
    machine: Machine
    cycles: int
    crossbars: int
    """Matrix units with outer products."""
    dynamic: Bill
    leakage: Bill
    replay: Replay

    @property
    def bill(self) -> Bill:
        """Energy, in J."""
        return self.dynamic + self.leakage


@cache
def reference_step(benchmark: str, machine: Machine) -> ReferenceStep:
    """Replay a benchmark."""
    prices = load_prices(machine.runs_as or machine.prices)
    found = replay(read_program(PROGRAMS / benchmark), prices)
    dynamic, leakage = Bill(), Bill()
    for name, count in found.counts.items():
        component, _, action = name.partition(".")
        dynamic.add(prices.action(component, action), count)
    for name, energy in found.leakage_by_j.items():
        price = prices.component(name).leakage
        if price.value:
            leakage.add(price, energy / price.value)
    for bill, energy in ((dynamic, found.dynamic_j), (leakage, found.leakage_j)):
        assert abs(bill.total - energy) <= RTOL * energy
    if machine.runs_as:
        own = prices_by_name(machine.prices)
        dynamic, leakage = (
            Bill({own[price.name]: count for price, count in bill.counts.items()})
            for bill in (dynamic, leakage)
        )
    return ReferenceStep(
        benchmark=benchmark, machine=machine, cycles=found.cycles,
        crossbars=found.operations["opa"], dynamic=dynamic, leakage=leakage, replay=found,
    )  # fmt: skip


def reference_cost(step: ReferenceStep, accounting: Accounting | None) -> Cost:
    """One example, with the serial accesses an accounting adds; None: as the simulator has it."""
    cycles, bill = float(step.cycles), step.bill
    if accounting is not None and step.machine.resolves:
        often = 1 / accounting.batch
        cycles += often * serial_cycles(step.machine.prices)
        bill = bill + resolution(step.machine.prices, carries=False) * (step.crossbars * often)
    return Cost(time_s=cycles * CYCLE_S, bill=bill)
