"""What the text of generated Verilog says of its modules: their ports, and who drives what."""

import re
from typing import NamedTuple


class Port(NamedTuple):
    """A port of the module."""

    name: str
    bits: int
    output: bool


def ports(verilog: str, name: str) -> list[Port]:
    """Ports of module ``name`` of generated Verilog, in the order of the text.

    Raises
    ------
    ValueError
        If the text has no such module.
    """
    return [
        Port(port, int(high or 0) + 1, direction == "output")
        for direction, high, port in re.findall(
            r"^  (input|output) (?:\[(\d+):0\] )?(\w+);$", _body(verilog, name), re.MULTILINE
        )
    ]


def drivers(verilog: str, name: str) -> dict[str, str]:
    """The instance in module ``name`` that drives each signal, by the signal's name.

    An instance's inputs have names, too, ``instance.port``, and are driven by another one.

    Raises
    ------
    ValueError
        If the text has no such module.
    """
    found, inputs = {}, {}
    for module, instance, connections in re.findall(
        r"^  (\w+) (\w+) \(\n(.*?)^  \);", _body(verilog, name), re.MULTILINE | re.DOTALL
    ):
        outputs = {port.name for port in ports(verilog, module) if port.output}
        for port, signal in re.findall(r"\.(\w+)\((\w+)", connections):
            if port in outputs:
                found[signal] = instance
            else:
                inputs[f"{instance}.{port}"] = signal
    return found | {pin: found[signal] for pin, signal in inputs.items() if signal in found}


def _body(verilog: str, name: str) -> str:
    body = re.search(rf"^module {name}\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    if body is None:
        raise ValueError(f"Verilog must have a module {name}")
    return body[0]
