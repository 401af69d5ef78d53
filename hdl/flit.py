"""Flits: a row of a message, or a credit, with where it goes beside it."""

from amaranth import unsigned
from amaranth.lib import data

from panther.arch.tile import FLIT_FIELDS


def flit_layout() -> data.StructLayout:
    """One flit; see ``FLIT_FIELDS``."""
    return data.StructLayout({name: unsigned(bits) for name, bits in FLIT_FIELDS.items()})
