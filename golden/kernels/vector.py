"""The innermost loops of the packed kernels, as explicit vector code for any processor.

The compiler would vectorise the plain loops as well, but guards each with a dozen overlap checks
and keeps counts and sums in memory; these take half the time. Arguments are addresses and sizes
in bytes; a row has a multiple of eight bytes, one word a weight.
"""

from collections.abc import Callable, Iterator
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = (64, 8)
"""Bytes of a vector of the main loop, and of the rest: one weight at a time."""

LOST = sum(LANES)
"""Bytes of the counters of a pulse, lane by lane; the slice of byte ``i`` is ``i mod 8``."""

_tools: Any = cgutils
_ir = _tools.ir
_intrinsic: Any = intrinsic
_I8, _I16, _INTP = _ir.IntType(8), _ir.IntType(16), _ir.IntType(64)


def _vectors(lanes: int, builder: Any) -> tuple[Any, Callable[..., Any], Callable[..., None]]:
    """A vector of bytes, and how to load and to store one at an address."""
    vector = _ir.VectorType(_I8, lanes)

    def load(address: Any, offset: Any) -> Any:
        place = builder.inttoptr(builder.add(address, offset), vector.as_pointer())
        return builder.load(place, align=1)

    def store(value: Any, address: Any, offset: Any) -> None:
        place = builder.inttoptr(builder.add(address, offset), value.type.as_pointer())
        builder.store(value, place, align=1)

    return vector, load, store


def _parts(
    builder: Any, size: Any, widths: tuple[int, ...] = LANES
) -> Iterator[tuple[int, Any, Any]]:
    """Lanes, first and last byte of the main loop and of the rest."""
    first = _INTP(0)
    for lanes in widths:
        last = builder.and_(size, _INTP(-lanes))
        yield lanes, first, last
        first = last


def _pulse(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    """Pulses of one row.

    With ``move`` the sum of the tables, each shifted up by one byte more than the one before, and
    ``room = cell ^ mask``, every byte becomes ``max(room - move, 0) ^ mask``, and a counter grows
    where ``move > room``.
    """
    cells, masks, counters, *rows, size = arguments
    counter = 0
    for lanes, first, last in _parts(builder, size):
        vector, load, store = _vectors(lanes, builder)
        words = _ir.VectorType(_INTP, lanes // 8)
        count = _tools.alloca_once_value(builder, load(counters, _INTP(counter)))
        with _tools.for_range_slice(builder, first, last, _INTP(lanes)) as (offset, _):
            move = load(rows[0], offset)
            for n, row in enumerate(rows[1:], 1):
                up = words([8 * n] * words.count)
                shifted = builder.shl(builder.bitcast(load(row, offset), words), up)
                move = builder.add(move, builder.bitcast(shifted, vector))
            mask = load(masks, offset)
            room = builder.xor(load(cells, offset), mask)
            over = builder.icmp_unsigned(">", move, room)
            left = builder.select(over, vector(None), builder.sub(room, move))
            store(builder.xor(left, mask), cells, offset)
            builder.store(builder.add(builder.load(count), builder.zext(over, vector)), count)
        store(builder.load(count), counters, _INTP(counter))
        counter += lanes
    return context.get_dummy_value()


def _row(builder: Any, rows: Any, place: Any, row_bytes: Any) -> Any:
    """Offset of the row whose number stands at a place of the list ``rows``."""
    address = builder.add(rows, builder.mul(place, _INTP(8)))
    number = builder.load(builder.inttoptr(address, _INTP.as_pointer()))
    return builder.mul(number, row_bytes)


def _reach(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    """How far sums of any of some rows can reach, in bytes that saturate.

    Sums of ``byte - half`` over the listed rows, the positive ones and the negative ones apart,
    against the greatest that no converter clips.
    """
    cells, rows, count, row_bytes, adc, beyond, size = arguments
    for lanes, first, last in _parts(builder, size, (256, *LANES)):
        vector, load, store = _vectors(lanes, builder)
        with _tools.for_range_slice(builder, first, last, _INTP(lanes)) as (offset, _):
            half, high, low = (load(adc, _INTP(256 * n)) for n in range(3))
            column = builder.add(cells, offset)
            ends = [_tools.alloca_once_value(builder, vector(None)) for _ in range(2)]
            for end in ends:
                builder.store(vector(None), end)
            with _tools.for_range_slice(builder, _INTP(0), count, _INTP(1)) as (i, _):
                cell = load(column, _row(builder, rows, i, row_bytes))
                for end, (more, less) in zip(ends, ((cell, half), (half, cell)), strict=True):
                    above = builder.icmp_unsigned(">", more, less)
                    move = builder.select(above, builder.sub(more, less), vector(None))
                    total = builder.add(builder.load(end), move)
                    wrapped = builder.icmp_unsigned("<", total, move)
                    builder.store(builder.select(wrapped, vector([255] * lanes), total), end)
            over = [
                builder.icmp_unsigned(">", builder.load(end), limit)
                for end, limit in zip(ends, (high, low), strict=True)
            ]
            store(builder.zext(builder.or_(*over), vector), beyond, offset)
    return context.get_dummy_value()


def _sum(group: int) -> Callable[..., Any]:
    """Generator of a sum of rows of which ``group`` fit a byte."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        cells, rows, count, sums, size = arguments
        for lanes, first, last in _parts(builder, size, (256, *LANES)):
            _, load, store = _vectors(lanes, builder)
            wide = _ir.VectorType(_I16, lanes)
            with _tools.for_range_slice(builder, first, last, _INTP(lanes)) as (offset, _):
                column = builder.add(cells, offset)
                total = _tools.alloca_once_value(builder, wide(None))
                builder.store(wide(None), total)
                with _tools.for_range_slice(builder, _INTP(0), count, _INTP(4)) as (i, _):
                    places = (builder.add(i, _INTP(n)) for n in range(4))
                    loaded = [load(column, _row(builder, rows, n, size)) for n in places]
                    while len(loaded) > 4 // group:
                        pairs = zip(loaded[::2], loaded[1::2], strict=True)
                        loaded = [builder.add(left, right) for left, right in pairs]
                    grown = builder.load(total)
                    for part in loaded:
                        grown = builder.add(grown, builder.zext(part, wide))
                    builder.store(grown, total)
                store(builder.load(total), sums, builder.mul(offset, _INTP(2)))
        return context.get_dummy_value()

    return generate


def _pulse3(
    _typing: Any, cells: Any, masks: Any, counters: Any, t0: Any, t1: Any, t2: Any, size: Any
) -> Any:
    return types.void(*[types.intp] * 7), _pulse


def _pulse4(
    _typing: Any, cells: Any, masks: Any, counters: Any, t0: Any, t1: Any, t2: Any, t3: Any,
    size: Any,
) -> Any:  # fmt: skip
    return types.void(*[types.intp] * 8), _pulse


def _sum_four(_typing: Any, cells: Any, rows: Any, count: Any, sums: Any, size: Any) -> Any:
    return types.void(*[types.intp] * 5), _sum(4)


def _sum_one(_typing: Any, cells: Any, rows: Any, count: Any, sums: Any, size: Any) -> Any:
    return types.void(*[types.intp] * 5), _sum(1)


def _reaches(
    _typing: Any, cells: Any, rows: Any, count: Any, row_bytes: Any, adc: Any, beyond: Any,
    size: Any,
) -> Any:  # fmt: skip
    return types.void(*[types.intp] * 7), _reach


pulse3 = _intrinsic(_pulse3)
"""Pulses of one row whose input is below 4096: the top nibble adds nothing."""

pulse4 = _intrinsic(_pulse4)
"""Pulses of one row."""

sum_four = _intrinsic(_sum_four)
"""Sums of ``count`` rows, a multiple of four, as 16-bit numbers; any four fit a byte. ``rows`` is
the address of the rows' numbers, of 64 bits; they lie side by side from ``cells``."""

sum_one = _intrinsic(_sum_one)
"""``sum_four`` for any bytes."""

reaches = _intrinsic(_reaches)
"""Sets the bytes ``beyond`` of columns in which the sum of some of ``count`` rows might be clipped,
and clears the others. ``adc`` is the address of three rows of 256 bytes, by slice: the byte of a
cell that is 0, and the greatest sums up and down no converter clips, both at most 254."""
