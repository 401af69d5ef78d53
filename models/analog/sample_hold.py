"""Sample-and-hold: the settled line currents, kept while the ADCs work through them."""

import numpy as np
from numpy.typing import NDArray


def hold(sums: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
    """Settled sums as held, shape (slices, lines), in cell units: no droop."""
    return sums
