"""The digital side at transaction level: bit-exact and cycle-exact twins of ``hdl/core``.

A unit is a NamedTuple of arrays, its registers, with compiled functions. A transaction is a call
that takes the cycle in which it happens and gives the cycle in which it is done; what a unit has to
wait for is the cycle from which on it may go on. No unit runs by itself, so whole instructions cost
some tens of nanoseconds. The cycles are those of ``docs/core.md``.

Compiled code is kept in ``__pycache__``. A function is compiled together with all it calls, but
numba only sees when the file of the function itself has changed; so importing this package removes
what is older than the newest of its sources.
"""

from collections.abc import Iterable
from pathlib import Path


def remove_old_code(folder: Path, sources: Iterable[Path]) -> None:
    """Remove numba's indices in ``folder`` that are older than a source."""
    newest = max(file.stat().st_mtime for file in sources)
    for index in folder.glob("*.nbi"):
        try:
            if index.stat().st_mtime < newest:
                index.unlink()
        except FileNotFoundError:
            pass  # another process was faster


_HERE = Path(__file__).parent
remove_old_code(
    _HERE / "__pycache__",
    (*_HERE.parent.rglob("*.py"), *(_HERE.parents[1] / "panther" / "arch").glob("*.py")),
)
