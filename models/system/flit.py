"""A flit as a row of numbers."""

from enum import IntEnum

from panther.arch.tile import BANKS


class Flit(IntEnum):
    """Columns; see :data:`panther.arch.tile.FLIT_FIELDS`."""

    HEAD = 0
    TAIL = 1
    END = 2
    KIND = 3
    TILE = 4
    SOURCE = 5
    FIFO = 6
    DATA = 7
    """The first of four groups."""


FLIT_COLUMNS = Flit.DATA + BANKS
