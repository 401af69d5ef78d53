"""Matrix units at transaction level, alone or in a core among others in RTL."""

from collections.abc import Collection

from amaranth import ClockSignal, Instance, Module, ResetSignal
from amaranth.hdl import Fragment
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow

from hdl.core.core import Core
from hdl.mcu.mcu import Mcu
from hdl.verilog import component_verilog
from panther.arch.core import CoreParams
from panther.arch.mcu import LANES, counter_names
from panther.arch.params import McuParams

MODULE = "mcu_twin"


class McuTwin(wiring.Component):
    """Stands for a matrix unit: an instance ``twin`` of module ``mcu_twin``, which has all of its
    ports but the pins and the events. These are 0.

    Parameters
    ----------
    unit : Mcu
        The unit it stands for.

    Members
    -------
    See ``hdl.mcu.mcu.Mcu``.
    """

    def __init__(self, unit: Mcu) -> None:
        self.unit = unit
        super().__init__(unit.signature)

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.unit.params
        # Amaranth warns of what nobody elaborates
        Fragment.get(self.unit, platform)
        ports = {
            f"{'i' if member.flow is Flow.In else 'o'}_{'__'.join(map(str, path))}": value
            for path, member, value in self.signature.flatten(self)
            if path[0] not in ("array", "events")
        }
        m.submodules.twin = Instance(
            MODULE,
            p_ROWS=params.rows,
            p_COLUMNS=params.columns,
            p_WORD=params.operand_bits,
            p_LANES=LANES,
            p_ADCS=params.adc.per_slice,
            p_CELLS=sum(params.slices.cell_bits),
            p_SUM=params.sum_bits,
            p_SELECT=len(self.counter_select),
            p_COUNTERS=len(counter_names(params.slices.count)),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            **ports,
        )
        return m


def mcu_twin_verilog(params: McuParams) -> str:
    """Verilog text of a matrix unit by itself, module ``mcu``, that is nothing but its twin."""
    return component_verilog(McuTwin(Mcu(params)), name="mcu")


def mixed_core_verilog(params: CoreParams, twins: Collection[int]) -> str:
    """Verilog text of a core with a retire port whose units ``twins`` are nothing but that."""
    core = Core(params, retire=True)
    for mcu in twins:
        core.units[mcu] = McuTwin(core.units[mcu])
    return component_verilog(core, name="core")
