"""Prices: what one action of a component costs, and where the number comes from.

A price set is a YAML file, ``sets/NAME.yaml`` or a user's own, in pJ, ns, mW and mm2; here all is
in SI units. ``extends: NAME`` takes another set and changes it. A set has to say for every price
which source it has, and how far off it may be: ``range``, two factors. What is an assumption says
so, in that word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

from panther.arch.checks import shown
from panther.yaml_lines import LinesError, YamlLines

FOLDER = Path(__file__).parent / "sets"
PRICE_SETS = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
"""Names of those that come along."""
OPERATIONS = ("mvm", "mtvm", "opa", "crs")


class PriceError(ValueError):
    """A price set that cannot be used, or a count without a price."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """One number of a price set, in SI units: J of an action, W of leakage, m2 of area."""

    name: str
    """As ``adc.convert``; ``adc.leakage``, ``adc.area``."""
    value: float
    low: float
    high: float
    source: str
    range_source: str
    what: str = ""
    latency_s: float = 0.0
    """How long the action takes."""
    included_in: str = ""
    """Action whose price has this one in it; then the value is 0."""
    alone: float = 0.0
    """What the value would be if it were not."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """A kind of component and its prices."""

    name: str
    what: str
    actions: Mapping[str, Price]
    leakage: Price
    area: Price


@dataclass(frozen=True, kw_only=True)
class PriceSet:
    """All prices of a machine, and the cycles its matrix operations take."""

    name: str
    title: str
    path: Path
    components: Mapping[str, Component]
    cycles: Mapping[str, int]
    """Of a whole mvm, mtvm, opa and crs, by the source; ours are counted, not looked up."""
    cycles_source: str
    is_foreign: bool
    """Whether it is of another machine than ours, whose cycles count with its prices."""

    def component(self, name: str) -> Component:
        """A kind of component.

        Raises
        ------
        PriceError
            If there is none; the message names the file to edit.
        """
        if name not in self.components:
            raise self._missing(name)
        return self.components[name]

    def action(self, component: str, action: str) -> Price:
        """Price of an action in J.

        Raises
        ------
        PriceError
            If there is none; the message names the file to edit.
        """
        found = self.component(component).actions.get(action)
        if found is None:
            raise self._missing(f"{component}.{action}")
        return found

    def _missing(self, what: str) -> PriceError:
        return PriceError(f"{what} must have a price: add it to {self.path}, with its source")

    def energy_j(self, component: str, action: str) -> float:
        """Of one action."""
        return self.action(component, action).value

    def latency_s(self, component: str, action: str) -> float:
        """Of one action."""
        return self.action(component, action).latency_s

    def leakage_w(self, component: str) -> float:
        """Of one component."""
        return self.component(component).leakage.value

    def area_m2(self, component: str) -> float:
        """Of one component."""
        return self.component(component).area.value

    def prices(self) -> Iterator[Price]:
        """All of them, component by component."""
        for component in self.components.values():
            yield from component.actions.values()
            yield component.leakage
            yield component.area


def load_prices(name: str | Path) -> PriceSet:
    """A price set by its name, or from a file.

    Raises
    ------
    PriceError
        If there is none of that name, or the file is wrong: with file, line and key.
    """
    text = str(name)
    if text in PRICE_SETS:
        return _load(FOLDER / f"{text}.yaml")
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise PriceError(
            f"Price set must be one of {', '.join(PRICE_SETS)} or a YAML file, not {shown(text)}"
        )
    return _load(path)


@cache
def _load(path: Path) -> PriceSet:
    data, where = _merged(path, ())
    return _PriceFile(path, data, where).price_set()


Place = dict[tuple[str, ...], str]
"""Key by key the ``file:line`` a value comes from."""


def _merged(path: Path, seen: tuple[Path, ...]) -> tuple[dict[str, Any], Place]:
    """Data of a file on top of what it extends; a source counts for what its file says alone."""
    if path in seen:
        raise PriceError(f"{path} must not extend itself")
    lines = YamlLines()
    try:
        data = lines.read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it must be UTF-8"
        raise PriceError(f"Price set {path} cannot be read: {reason}") from error
    except LinesError as error:
        raise PriceError(f"{path}:{lines.line(error.path)}: {error}") from error
    if not isinstance(data, dict):
        raise PriceError(f"{path} must be keys with values, not {shown(data)}")
    _inherit(data, {})
    place = {key: f"{path}:{lines.line(key)}" for key in lines.keys()}
    base = data.pop("extends", None)
    if base is None:
        return data, place
    other = FOLDER / f"{base}.yaml" if base in PRICE_SETS else path.parent / str(base)
    below, places = _merged(other, (*seen, path))
    return _over(below, data), places | place


_HANDED_DOWN = ("source", "range", "range_source")


def _inherit(data: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Hand sources and ranges down to every action of the same file."""
    known = dict(above) | {key: data[key] for key in _HANDED_DOWN if key in data}
    for section in ("components", "actions"):
        parts = data.get(section)
        if isinstance(parts, dict):
            for part in parts.values():
                if isinstance(part, dict):
                    _inherit(part, known)
    if any(key in data for key in ("energy_pj", "leakage_mw", "area_mm2")):
        for key, value in known.items():
            data.setdefault(key, value)


def _over(below: Any, above: Any) -> Any:
    """What a file says on top of what it extends; of an action, its range and what includes it may
    stay.
    """
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    if "energy_pj" in above:
        kept = ("range", "range_source", "included_in")
        return {key: below[key] for key in kept if key in below} | above
    return below | {
        key: _over(below[key], value) if key in below else value for key, value in above.items()
    }


_SET = ("name", "title", "foreign", "components", "cycles", "cycles_source")
_COMPONENT = ("what", "area_mm2", "leakage_mw", "actions")
_ACTION = ("energy_pj", "latency_ns", "what", "included_in")


class _PriceFile:
    """From plain data to a price set, with a line for everything that is wrong."""

    def __init__(self, path: Path, data: dict[str, Any], place: Place) -> None:
        self.path, self.data, self.place = path, data, place

    def price_set(self) -> PriceSet:
        data = self._section(self.data, (), _SET, needed=("name", "title", "components", "cycles"))
        components = self._mapping(data["components"], ("components",))
        cycles = self._mapping(data["cycles"], ("cycles",))
        for key, value in cycles.items():
            if key not in OPERATIONS:
                names = ", ".join(OPERATIONS)
                raise self._error(f"Operation must be one of {names}, not {key}", ("cycles", key))
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise self._error(
                    f"Cycles must be a whole number from 1 on, not {shown(value)}", ("cycles", key)
                )
        for key in OPERATIONS:
            if key not in cycles:
                raise self._error(f"cycles must have {key}", ("cycles",))
        if not isinstance(data.get("foreign", False), bool):
            raise self._error(
                f"foreign must be true or false, not {shown(data['foreign'])}", ("foreign",)
            )
        return PriceSet(
            name=str(data["name"]), title=str(data["title"]), path=self.path,
            components={name: self._component(name, part) for name, part in components.items()},
            cycles=cycles, cycles_source=str(data.get("cycles_source", "")),
            is_foreign=data.get("foreign", False),
        )  # fmt: skip

    def _component(self, name: str, part: Any) -> Component:
        path = ("components", name)
        data = self._section(part, path, _COMPONENT, needed=("area_mm2", "leakage_mw", "actions"))
        actions = self._mapping(data["actions"], (*path, "actions"))
        return Component(
            name=name,
            what=str(data.get("what", "")),
            actions={key: self._action(name, key, value) for key, value in actions.items()},
            leakage=self._price(f"{name}.leakage", data, path, "leakage_mw", 1e-3),
            area=self._price(f"{name}.area", data, path, "area_mm2", 1e-6),
        )

    def _action(self, component: str, name: str, part: Any) -> Price:
        path = ("components", component, "actions", name)
        data = self._section(part, path, _ACTION, needed=("energy_pj", "latency_ns"))
        included = str(data.get("included_in") or "")
        if included:
            owner, _, action = included.partition(".")
            known = self.data["components"].get(owner, {}).get("actions", {})
            if action not in known:
                raise self._error(
                    f"included_in must name an action, not {shown(included)}",
                    (*path, "included_in"),
                )
        return self._price(
            f"{component}.{name}", data, path, "energy_pj", 1e-12,
            what=str(data.get("what", "")), included_in=included,
            latency_s=1e-9 * self._number(data["latency_ns"], (*path, "latency_ns")),
        )  # fmt: skip

    def _price(
        self, name: str, data: Mapping[str, Any], path: tuple[str, ...], key: str, unit: float,
        **more: Any,
    ) -> Price:  # fmt: skip
        alone = unit * self._number(data[key], (*path, key))
        value = 0.0 if more.get("included_in") else alone
        factors = data.get("range")
        if not (
            isinstance(factors, list)
            and len(factors) == 2
            and all(isinstance(factor, int | float) for factor in factors)
            and 0 <= factors[0] <= 1 <= factors[1] < inf
        ):
            raise self._error(
                f"Range of {name} must be two factors around 1, [0.7, 1.4], not {shown(factors)}",
                path,
            )
        for needed in ("source", "range_source"):
            if not data.get(needed):
                raise self._error(
                    f"{name} must have a {needed}: the place the number is from, or 'assumption'",
                    path,
                )
        return Price(
            name=name, value=value, alone=alone, low=value * factors[0], high=value * factors[1],
            source=str(data["source"]), range_source=str(data["range_source"]), **more,
        )  # fmt: skip

    def _section(
        self, data: Any, path: tuple[str, ...], known: tuple[str, ...], *, needed: tuple[str, ...]
    ) -> dict[str, Any]:
        found = self._mapping(data, path)
        for key in found:
            if key not in known and key not in _HANDED_DOWN:
                names = ", ".join((*known, *_HANDED_DOWN))
                raise self._error(f"Key must be one of {names}, not {shown(key)}", (*path, key))
        for key in needed:
            if key not in found:
                where = ".".join(path) or "Price set"
                raise self._error(f"{where} must have {key}", path)
        return found

    def _mapping(self, data: Any, path: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(data, dict):
            where = ".".join(path) or "Price set"
            raise self._error(f"{where} must be keys with values, not {shown(data)}", path)
        return data

    def _number(self, value: Any, path: tuple[str, ...]) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
            raise self._error(f"{path[-1]} must be a number from 0 on, not {shown(value)}", path)
        return float(value)

    def _error(self, text: str, path: tuple[str, ...]) -> PriceError:
        while path and path not in self.place:
            path = path[:-1]
        return PriceError(f"{self.place.get(path, f'{self.path}:1')}: {text}")
