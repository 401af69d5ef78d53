"""Short waveforms of what went wrong."""

import re
from collections.abc import Mapping
from pathlib import Path

from panther import sim

_UNITS_PER_NS = {"1ps": 1000, "10ps": 100, "100ps": 10, "1ns": 1}


BEFORE_NS, AFTER_NS = 500, 50


def divergence_waves(
    design: sim.Design,
    simulator: str,
    module: str,
    failure: str,
    *,
    seed: int,
    expected: int,
    variables: Mapping[str, str] | None,
) -> Path | str:
    """Run a failed simulation again with waveforms and keep the window before its divergence.

    Returns
    -------
    Path or str
        The waveform, or why there is none.
    """
    time = re.search(r"at (\d+) ns", failure)
    if time is None:
        return "none: the failure names no time"
    try:
        traced = sim.build(design, simulator, waves=True)
        result = sim.run(
            traced, module, seed=seed, expected=expected, variables=variables, timeout=600
        )
    except sim.SimulationError as error:
        return f"none: {error}"
    whole = result.path / "waves.vcd"
    if not whole.exists():
        return f"none: the simulator wrote no waveform, log {result.path / 'run.log'}"
    window = result.path / "divergence.vcd"
    stop = int(time[1]) + AFTER_NS
    cut_vcd(whole, window, start_ns=max(0, stop - AFTER_NS - BEFORE_NS), stop_ns=stop)
    whole.unlink()
    return window


def cut_vcd(source: Path, target: Path, *, start_ns: int, stop_ns: int) -> None:
    """Copy the changes of ``source`` between two times, with the state at the start, to ``target``.

    Raises
    ------
    ValueError
        If the file has a time unit of more than a nanosecond, or no header.
    """
    scale = None
    state: dict[str, str] = {}
    with source.open() as lines, target.open("w") as out:
        header = []
        for line in lines:
            header.append(line)
            if line.startswith("$enddefinitions"):
                break
        else:
            raise ValueError(f"Waveform must have a header, but {source} has none")
        text = " ".join("".join(header).split())
        unit = text.split("$timescale")[1].split("$end")[0].replace(" ", "")
        scale = _UNITS_PER_NS.get(unit)
        if scale is None:
            raise ValueError(f"Time unit must be one of {', '.join(_UNITS_PER_NS)}, not {unit}")
        out.writelines(header)
        start, stop = start_ns * scale, stop_ns * scale
        started = False
        for line in lines:
            if line.startswith("#"):
                now = int(line[1:])
                if now > stop:
                    break
                if now >= start and not started:
                    out.write(f"#{start}\n")
                    out.writelines(state.values())
                    started = True
                if started:
                    out.write(line)
            elif started:
                out.write(line)
            elif not line.startswith("$"):
                # vectors and reals have a space before their name, scalars one character
                name = line.split()[-1] if line[0] in "bBrRsS" else line[1:].strip()
                state[name] = line
