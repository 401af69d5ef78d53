"""The digital side at transaction level: bit-exact and cycle-exact twins of ``hdl/core``.

A unit is a NamedTuple of arrays, its registers, with compiled functions. A transaction is a call
that takes the cycle in which it happens and gives the cycle in which it is done; what a unit has to
wait for is the cycle from which on it may go on. No unit runs by itself, so whole instructions cost
some tens of nanoseconds. The cycles are those of ``docs/core.md``.

Compiled code is kept in ``__pycache__``. A function is compiled together with all it calls, but
numba only sees when the file of the function itself has changed; so importing this package removes
what is older than the newest of its sources.
"""

from pathlib import Path


def _remove_old_code() -> None:
    here = Path(__file__).parent
    sources = [*here.parent.rglob("*.py"), *(here.parents[1] / "panther" / "arch").glob("*.py")]
    newest = max(file.stat().st_mtime for file in sources)
    for index in here.glob("__pycache__/*.nbi"):
        try:
            if index.stat().st_mtime < newest:
                index.unlink()
        except FileNotFoundError:
            pass  # another process was faster


_remove_old_code()
