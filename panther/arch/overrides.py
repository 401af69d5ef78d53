"""Parameters from text: ``rows=16``, ``slices=44466555``, ``adc.bits=9``."""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from panther.arch.core import CoreParams
from panther.arch.device import DEVICE_FIELDS
from panther.arch.node import NodeParams
from panther.arch.params import McuParams, SliceParams
from panther.arch.presets import device_preset


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,10}", text):
        raise ValueError(f"{name} must be an integer, not {text!r}")
    return int(text)


def _per_slice(name: str, text: str, slices: int) -> tuple[int, ...]:
    """Read one value for all slices, or one for each, most significant slice first."""
    values = tuple(_whole(name, part) for part in text.split(","))
    return values * slices if len(values) == 1 else values[::-1]


def _adc_bits(slices: int, text: str) -> tuple[int, ...] | None:
    return None if text == "lossless" else _per_slice("adc.bits", text, slices)


def _integer(name: str) -> Callable[[int, str], object]:
    return lambda _slices, text: _whole(name, text)


def _real(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}") from None


def _switch(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{name} must be true or false, not {text!r}")
    return text == "true"


def _of_device(name: str, kind: object) -> Callable[[int, str], object]:
    readers: dict[object, Callable[[str, str], object]] = {
        int: _whole, bool: _switch, float: _real, str: lambda _name, text: text,
    }  # fmt: skip
    return lambda _slices, text: readers[kind](f"device.{name}", text)


# name -> value of the field right of its dot, from the number of slices and the text; the slicing
# itself takes two names together, a device by name comes before its parameters: read apart
_READERS: dict[str, Callable[[int, str], object]] = {
    "rows": _integer("rows"),
    "columns": _integer("columns"),
    "operand_bits": _integer("operand_bits"),
    "adc.bits": _adc_bits,
    "adc.step_log2": lambda slices, text: _per_slice("adc.step_log2", text, slices),
    "adc.per_slice": _integer("adc.per_slice"),
    "timing.integrate_cycles": _integer("timing.integrate_cycles"),
    "timing.pulse_cycles": _integer("timing.pulse_cycles"),
    "timing.program_cycles": _integer("timing.program_cycles"),
    **{f"cycles.{name}": _integer(f"cycles.{name}") for name in ("mvm", "mtvm", "opa", "crs")},
    "opa.row_digits": lambda _slices, text: text,
    "opa.column_digits": lambda _slices, text: text,
    "opa.skip_steps": lambda _slices, text: _switch("opa.skip_steps", text),
    "headroom": _integer("headroom"),
    **{f"device.{name}": _of_device(name, kind) for name, kind in DEVICE_FIELDS.items()},
}

OVERRIDES = ("slices", "value_bits", "device", *_READERS)
"""Every name :func:`override` takes."""
_OF_CORES = ("mcus", "registers", "instructions", "memory_words", "memory_cycles")
CORE_OVERRIDES = (*OVERRIDES, *_OF_CORES)
"""Every name :func:`override_core` takes."""
_OF_TILES = {"cores": "cores", "fifos": "fifos", "fifo_rows": "fifo_rows",
             "tile.instructions": "instructions"}  # fmt: skip
_OF_NODES = ("width", "height")
NODE_OVERRIDES = (*CORE_OVERRIDES, *_OF_TILES, *_OF_NODES)
"""Every name :func:`override_node` takes."""


def _split(text: str, known: Sequence[str]) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise ValueError(f"Parameter must be given as NAME=VALUE, not {text!r}")
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        of_device = [other for other in known if other.startswith("device.")]
        if not name.startswith("device."):
            # those of devices are more than all others
            known = [*(other for other in known if other not in of_device), "device.NAME"]
        else:
            known = of_device
        raise ValueError(f"Parameter must be one of {', '.join(known)}, not {name!r}{hint}")
    return name, value


def _by_name(texts: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for text in texts:
        name, value = _split(text, known)
        if name in values:
            raise ValueError(
                f"Parameter {name} must be given once, not {values[name]!r} and {value!r}"
            )
        values[name] = value
    return values


def override(params: McuParams, texts: Iterable[str]) -> McuParams:
    """Return ``params`` with every ``NAME=VALUE`` of ``texts`` applied, checked only as a whole.

    ``adc.bits`` and ``adc.step_log2`` take one value for all slices or a comma-separated one for
    each, most significant slice first like a slicing; ``adc.bits=lossless`` is wide enough.
    ``device=HFOX`` takes all parameters of a device by name, but those that are given themselves.

    Raises
    ------
    ValueError
        If a text is not ``NAME=VALUE``, names nothing or something twice, or the outcome is not a
        possible unit.
    """
    return _override(params, _by_name(texts, OVERRIDES))


def override_core(params: CoreParams, texts: Iterable[str]) -> CoreParams:
    """Return ``params`` with every ``NAME=VALUE`` of ``texts`` applied, checked only as a whole.

    Names are those of the core (``mcus=8``) and those :func:`override` takes, of all its units.

    Raises
    ------
    ValueError
        If a text is not ``NAME=VALUE``, names nothing or something twice, or the outcome is not a
        possible core.
    """
    return _override_core(params, _by_name(texts, CORE_OVERRIDES))


def override_node(params: NodeParams, texts: Iterable[str]) -> NodeParams:
    """Return ``params`` with every ``NAME=VALUE`` of ``texts`` applied, checked only as a whole.

    Names are those of the node (``width=4``), of its tiles (``cores=8``, ``tile.instructions=512``
    of their sequencers) and those :func:`override_core` takes, of all cores.

    Raises
    ------
    ValueError
        If a text is not ``NAME=VALUE``, names nothing or something twice, or the outcome is not a
        possible node.
    """
    values = _by_name(texts, NODE_OVERRIDES)
    of_node: dict[str, Any] = {
        name: _whole(name, values.pop(name)) for name in _OF_NODES if name in values
    }
    of_tile: dict[str, Any] = {
        field: _whole(name, values.pop(name)) for name, field in _OF_TILES.items() if name in values
    }
    core = _override_core(params.tile.core, values)
    return replace(params, tile=replace(params.tile, core=core, **of_tile), **of_node)


def _override_core(params: CoreParams, values: dict[str, str]) -> CoreParams:
    own: dict[str, Any] = {
        name: _whole(name, values.pop(name)) for name in _OF_CORES if name in values
    }
    return replace(params, mcu=_override(params.mcu, values), **own)


def _override(params: McuParams, values: dict[str, str]) -> McuParams:
    slices = params.slices
    if "slices" in values or "value_bits" in values:
        value_bits = slices.value_bits
        if "value_bits" in values:
            value_bits = _whole("value_bits", values.pop("value_bits"))
        if "slices" in values:
            slices = SliceParams.parse(values.pop("slices"), value_bits=value_bits)
        else:
            slices = replace(slices, value_bits=value_bits)

    device = params.device
    if "device" in values:
        device = device_preset(values.pop("device")).params
    fields: dict[str, dict[str, Any]] = {
        "": {"slices": slices}, "adc": {}, "timing": {}, "cycles": {}, "opa": {}, "device": {},
    }  # fmt: skip
    for name, value in values.items():
        group, _, attribute = name.rpartition(".")
        fields[group][attribute] = _READERS[name](slices.count, value)
    return replace(
        params,
        **fields[""],
        adc=replace(params.adc, **fields["adc"]),
        timing=replace(params.timing, **fields["timing"]),
        cycles=replace(params.cycles, **fields["cycles"]),
        opa=replace(params.opa, **fields["opa"]),
        device=replace(device, **fields["device"]),
    )
