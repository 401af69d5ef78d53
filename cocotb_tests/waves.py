"""Cut a window out of a waveform."""

from pathlib import Path

_UNITS_PER_NS = {"1ps": 1000, "10ps": 100, "100ps": 10, "1ns": 1}


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
