"""1-bit DACs: the digital lines as levels on the word or bit lines."""

import numpy as np
from numpy.typing import NDArray


def levels(drive: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Level of every line, in units of the read voltage.

    Parameters
    ----------
    drive
        Line bits, shape (lines,), 0 or 1.

    Returns
    -------
    ndarray of uint8, shape (lines,)
        0 or 1: an ideal DAC has no error.
    """
    return drive
