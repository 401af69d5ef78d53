"""The innermost loop of the packed OPA, as explicit vector code for any processor.

The compiler would vectorise the plain loop as well, but guards every row with a dozen overlap
checks and keeps the counts of saturated cells in memory; this one takes half the time.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = (64, 8)
"""Bytes of a vector of the main loop, and of the rest: one weight at a time."""

LOST = sum(LANES)
"""Bytes of the counters, lane by lane; the slice of byte ``i`` is ``i mod 8``."""

_tools: Any = cgutils
_ir = _tools.ir


def _pulse(tables: int) -> Any:
    """The intrinsic that adds up ``tables`` tables.

    Its arguments are addresses: of a row's cells, of the masks, of the counters, of the rows of
    the tables; the last is the number of bytes, a multiple of eight. With ``move`` the sum of the
    tables and ``room = cell ^ mask``, every byte becomes ``max(room - move, 0) ^ mask``, and a
    counter grows where ``move > room``.
    """

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        cells, masks, counters, *rows, size = arguments
        intp, byte = size.type, _ir.IntType(8)
        done = intp(0)
        first = 0
        for lanes in LANES:
            vector = _ir.VectorType(byte, lanes)

            def at(address: Any, offset: Any, vector: Any = vector) -> Any:
                return builder.inttoptr(builder.add(address, offset), vector.as_pointer())

            def load(address: Any, offset: Any, at: Callable[..., Any] = at) -> Any:
                return builder.load(at(address, offset), align=1)

            count = _tools.alloca_once_value(builder, load(counters, intp(first)))
            stop = builder.and_(size, intp(-lanes))
            with _tools.for_range_slice(builder, done, stop, intp(lanes)) as (offset, _):
                move = load(rows[0], offset)
                for row in rows[1:]:
                    move = builder.add(move, load(row, offset))
                mask = load(masks, offset)
                room = builder.xor(load(cells, offset), mask)
                over = builder.icmp_unsigned(">", move, room)
                left = builder.select(over, vector(None), builder.sub(room, move))
                builder.store(builder.xor(left, mask), at(cells, offset), align=1)
                grown = builder.add(builder.load(count), builder.zext(over, vector))
                builder.store(grown, count)
            builder.store(builder.load(count), at(counters, intp(first)), align=1)
            done, first = stop, first + lanes
        return _context.get_dummy_value()

    signature = types.void(*[types.intp] * (tables + 4))

    if tables == 3:

        @intrinsic
        def pulse3(_typing, cells, masks, counters, t0, t1, t2, size):  # type: ignore[no-untyped-def]
            return signature, generate

        return pulse3

    @intrinsic
    def pulse4(_typing, cells, masks, counters, t0, t1, t2, t3, size):  # type: ignore[no-untyped-def]
        return signature, generate

    return pulse4


pulse3 = _pulse(3)
"""For inputs below 4096: the top nibble adds nothing."""
pulse4 = _pulse(4)
"""For any input."""
