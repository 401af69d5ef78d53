"""Training runs: engines, data, run folders, and all of it in one call.

The package can itself be called::

    import panther
    print(panther.train("mlp", data="digits", variant="V1", epochs=3))

which is :func:`panther.train.run.train`.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """Lets a module be called; nothing is imported before."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from panther.train.run import train

        return train(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
