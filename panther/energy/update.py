"""Energy of keeping weights up to date: outer products, and the CRS between them.

The prices know the number of slices but not the width of their cells: for that the source has none.
"""

from dataclasses import dataclass

from panther.arch.params import McuParams
from panther.energy.inventory import LINES
from panther.energy.prices import Price, load_prices

PHASES = 4
"""Of a bit step of an OPA, one for each pair of signs."""


@dataclass(frozen=True, kw_only=True)
class UpdateEnergy:
    """Of some events of one unit, in J."""

    opa_j: float
    crs_j: float

    @property
    def total_j(self) -> float:
        """Both."""
        return self.opa_j + self.crs_j


def update_prices() -> tuple[Price, Price, Price]:
    """What counts here: a pulse of an array, a row read and a row written."""
    prices = load_prices("panther")
    pulse, read, write = (
        prices.action("crossbar", action) for action in ("pulse", "row_read", "row_write")
    )
    return pulse, read, write


def update_energy(mcu: McuParams, *, opas: float, resolutions: float) -> UpdateEnergy:
    """Energy of outer products and CRS of one unit, as if its crossbars were the priced 128 x 128.

    An OPA drives every slice with every bit of x, zeros too: ``opas * slices * operand_bits`` times
    four pulses. (The authors' simulator makes the 256 accesses of 16 bits on 16 arrays but counts
    128, as is done here for eight slices.) A CRS reads and writes every row of every slice.

    Parameters
    ----------
    mcu : McuParams
    opas : float
        Outer products; may be an average.
    resolutions : float
        CRS; may be an average.
    """
    slices = mcu.slices.count
    pulse, read, write = update_prices()
    return UpdateEnergy(
        opa_j=opas * slices * mcu.operand_bits * PHASES * pulse.value,
        crs_j=resolutions * slices * LINES * (read.value + write.value),
    )
