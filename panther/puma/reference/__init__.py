"""The simulator that the paper's authors published: its time and its energy, for its programs.

Only what decides time and counts is here, no values: the rules were read from its source and are
written down in ``docs/puma.md``. Prices come from ``panther.energy``.

::

    program = read_program("mlpPanther")
    run = replay(program, load_prices("panther"))      # replay: counts, energies, cycles
    run.cycles, run.total_j, run.rows()["mvm"]
    replay(program, prices, Quirks(half_of_opa=False)) # quirks: what it would be without

A run is made by ``run_machine`` (machine), from what every core's program asks for and how long it
computes in between (cores).
"""

from panther.puma.reference.machine import Activity, run_machine
from panther.puma.reference.quirks import QUIRKS_OFF, Quirks
from panther.puma.reference.replay import ROWS, Replay, replay

__all__ = ["QUIRKS_OFF", "ROWS", "Activity", "Quirks", "Replay", "replay", "run_machine"]
