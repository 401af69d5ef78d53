"""Sample-and-hold: the settled line currents, kept while the ADCs work through them."""

import numpy as np
from numpy.typing import NDArray


def hold(sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Held copy of settled sums, shape (lines, slices), in cell units: no droop."""
    return sums
