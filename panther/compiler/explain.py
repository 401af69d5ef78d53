"""Where a compiled network is, in words."""

from panther.arch.tile import SEQUENCER
from panther.compiler.compile import Compiled
from panther.compiler.placement import utilisation


def placement(compiled: Compiled) -> str:
    """Crossbars of every matrix, and how full tiles are."""
    node = compiled.node
    lines = ["placement"]
    matrices: dict[str, list[str]] = {}
    for placed in compiled.placed:
        place = f"{placed.core[0]}.{placed.core[1]}.m{placed.unit}"
        matrices.setdefault(placed.crossbar.matrix, []).append(place)
    for name, places in matrices.items():
        rows = max(p.crossbar.rows.stop for p in compiled.placed if p.crossbar.matrix == name)
        columns = max(p.crossbar.columns.stop for p in compiled.placed if p.crossbar.matrix == name)
        where = places[0] if len(places) == 1 else f"{places[0]} to {places[-1]}"
        lines.append(f"  {name:20} {rows} x {columns}: {len(places)} crossbars, {where}")
    in_tile = node.tile.cores * node.tile.core.mcus
    for tile, crossbars, used in utilisation(compiled.placed, node):
        lines.append(
            f"  tile {tile:3}  {crossbars:3} of {in_tile} crossbars, "
            f"{100 * used:.0f} % of their cells hold weights"
        )
    return "\n".join(lines) + "\n"


def memory(compiled: Compiled) -> str:
    """Memory map of every tile, registers and instructions of every core."""
    layout, core = compiled.layout, compiled.node.tile.core
    lines = ["memory map, words"]
    for number, tile in layout.tiles.items():
        cores = [unit for unit in layout.parameters if unit[0] == number]
        lines.append(f"  tile {number}")
        lines.append(f"    {'mailboxes':24} 0 to {layout.parameters[cores[0]] - 1}")
        for unit in cores:
            first, slot = layout.slots[unit]
            count = compiled.plan.batch * (layout.history + 1)
            last = first + slot * count - 1
            lines.append(
                f"    {f'core {unit[1]}':24} {layout.parameters[unit]} to {last}"
                + (f", {count} slots of {slot}" if slot else "")
                + f"; registers {layout.used_registers[unit]} of {core.registers}"
            )
        if tile.record_words:
            lines.append(
                f"    {'examples':24} {tile.examples} to {core.memory_words - 1}: room for "
                f"{tile.room} of {tile.record_words}"
            )
    lines.append("instructions")
    for unit, program in compiled.programs(1, 1, compiled.plan.batch).items():
        name = "sequencer" if unit[1] == SEQUENCER else f"core {unit[1]}"
        lines.append(f"  tile {unit[0]} {name:12} {len(program.words)}")
    return "\n".join(lines) + "\n"
