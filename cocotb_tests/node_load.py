"""A load for measuring the speed of a node: training-like work in every core of every tile."""

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.node_programs import NodeCase
from panther.arch.core import CoreParams
from panther.arch.node import NodeParams
from panther.arch.tile import SEQUENCER, TileParams

NODE = NodeParams(
    tile=TileParams(core=CoreParams(mcus=2), cores=2, fifos=4, fifo_rows=16), width=2, height=2
)
PASSES = 40
RESULT = "node_load.json"
_LINES = 128

_CORE0 = """
        mcfg    m0, mvm_shift, 24
        mcfg    m0, mtvm_shift, 24
        mcfg    m1, mvm_shift, 24
        loop    {passes}, end
        ld      m0.mvm_in, s0, 0, 128
        v.mov   m0.opa_rows, m0.mvm_in, 128
        mcu     m0:mvm
        vi.max  m1.mvm_in, m0.mvm_out, 0, 128
        mcu     m1:mvm
        st      m1.mvm_out, s0, 1024, 128, core1|send_unit
        ld      r0, s0, 512, 128, take
        v.mov   m0.mtvm_in, r0, 128
        mcu     m0:mtvm
        vi.shr  m0.opa_columns, m0.mtvm_out, 128, 4
        mcu     m0:opa
end:    crs     m1
        hlt
"""
_CORE1 = """
        mcfg    m0, mvm_shift, 24
        mcfg    m1, mtvm_shift, 24
        loop    {passes}, end
        ld      m0.mvm_in, s0, 1024, 128, take
        mcu     m0:mvm
        v.mov   m1.mtvm_in, m0.mvm_out, 128
        mcu     m1:mtvm
        st      m1.mtvm_out, s0, 512, 128, core0
        ld      r0, s0, 1536, 128, take
        v.mov   m1.opa_rows, r0, 128
        v.mov   m1.opa_columns, m0.mvm_out, 128
        mcu     m1:opa
end:    nop
        hlt
"""
_SEQUENCER = """
        loop    {passes}, end
        send    s0, 1024, 128, {to}, 0
        recv    s0, 1536, 128, 0, core1
end:    nop
        hlt
"""


class _Load(NodeCase):
    def cells(self, mcu, units) -> list[NDArray[np.int16]]:  # type: ignore[no-untyped-def]
        """Canonical cells of small weights."""
        return [cells % 16 - 8 for cells in super().cells(mcu, units)]


def load_case(params: NodeParams, passes: int) -> NodeCase:
    """Programs and first words for a node whose tiles form a ring."""
    programs = {}
    for tile in range(params.tiles):
        programs[tile, 0] = _CORE0.format(passes=passes)
        programs[tile, 1] = _CORE1.format(passes=passes)
        to = (tile + 1) % params.tiles
        programs[tile, SEQUENCER] = _SEQUENCER.format(passes=passes, to=to)
    stored = {
        tile: tuple((group, 0, 37 * group + tile) for group in range(_LINES // 4))
        for tile in range(params.tiles)
    }
    return _Load(node="LOAD", programs=programs, stored=stored)
