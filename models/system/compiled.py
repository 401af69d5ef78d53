"""How the functions of the units are compiled.

Counting references takes an atomic instruction for every array of every NamedTuple that is handed
on, which would be most of the work of a node. What units work on is held by whoever called them
from Python, so nothing but functions that make arrays needs it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.core.dispatcher import Dispatcher

Function = TypeVar("Function", bound=Callable[..., object])

_njit: Callable[..., Any] = njit  # its types do not know all options


def compiled(function: Function) -> "Dispatcher[Function]":
    """Compile a function that allocates nothing, and counts no references."""
    made: Dispatcher[Function] = _njit(cache=True, nogil=True, _nrt=False)(function)
    return made


def inner(function: Function) -> "Dispatcher[Function]":
    """Likewise with arguments that Python cannot hand over uncounted, such as lists."""
    uncounted = _njit(cache=True, nogil=True, _nrt=False, no_cpython_wrapper=True)
    made: Dispatcher[Function] = uncounted(function)
    return made


def allocating(function: Function) -> "Dispatcher[Function]":
    """Compile a function that makes, copies or fetches whole arrays.

    That has to be said: a function that does not say so takes after the one that calls it first.
    """
    made: Dispatcher[Function] = _njit(cache=True, nogil=True, _nrt=True)(function)
    return made
