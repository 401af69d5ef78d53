"""Plain data from YAML, and the line of every key, so that messages can say where."""

import re
from collections.abc import Callable, Iterable
from typing import Any

KeyPath = tuple[str, ...]
"""Keys that lead to a value; of a list, its numbers."""


class LinesError(ValueError):
    """YAML that cannot be read.

    Parameters
    ----------
    text : str
    path : tuple of str
        Keys that lead to what is wrong.
    """

    def __init__(self, text: str, path: KeyPath = ()) -> None:
        super().__init__(text)
        self.path = path


class YamlLines:
    """Reads one text, and knows its lines afterwards."""

    def __init__(self) -> None:
        self._lines: dict[KeyPath, int] = {}

    def keys(self) -> Iterable[KeyPath]:
        """Paths of all values."""
        return self._lines.keys()

    def line(self, path: KeyPath) -> int:
        """Of the last key of a path that is there."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def read(self, text: str) -> Any:
        """Dicts, lists, texts, numbers, truth values and None.

        Raises
        ------
        LinesError
            If the text is no YAML, or gives a key twice.
        """
        import yaml

        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            if mark is not None:
                self._lines[()] = mark.line + 1
            raise LinesError(f"YAML: {error.problem or error.context}") from error
        except yaml.YAMLError as error:
            raise LinesError(f"YAML: {' '.join(str(error).split())}") from error
        try:
            return None if node is None else self._plain(node, ())
        except RecursionError:
            raise LinesError("YAML: nothing must contain itself by an alias") from None

    def _plain(self, node: Any, path: KeyPath) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if node.id == "sequence":
            return [self._plain(part, (*path, str(n))) for n, part in enumerate(node.value)]
        if node.id == "scalar":
            return _scalar(node)
        found = {}
        for key_node, value in node.value:
            if key_node.id != "scalar":
                self._lines[path] = key_node.start_mark.line + 1
                raise LinesError("Key must be a text, not a list or keys with values", path)
            key = key_node.value
            here = (*path, key)
            if here in self._lines:
                first = self._lines[here]
                self._lines[here] = key_node.start_mark.line + 1
                raise LinesError(f"{key} must be given once, not in line {first}, too", here)
            self._lines[here] = key_node.start_mark.line + 1
            found[key] = self._plain(value, here)
        return found


_NUMBERS: tuple[tuple[str, Callable[[str], Any]], ...] = (
    (r"[-+]?[0-9]+", int),
    (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
    (r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", lambda text: float(text.replace(".", ""))),
)
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def _scalar(node: Any) -> Any:
    """A value as YAML 1.2 has it: 1e-3 is a number, and neither ``on`` nor ``010`` is special."""
    text: str = node.value
    if node.style is not None or (node.tag.endswith(":str") and text in ("<<", "=")):
        return text
    if text.lower() in _WORDS and text in (text.lower(), text.capitalize(), text.upper()):
        return _WORDS[text.lower()]
    for pattern, convert in _NUMBERS:
        if re.fullmatch(pattern, text):
            return convert(text)
    return text
