"""Runs programs on the bench in lockstep with the twin; what several testbenches share."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cocotb_tests.core_driver import CoreDriver, Stop
from cocotb_tests.host import reset
from cocotb_tests.lockstep import Lockstep
from cocotb_tests.random_programs import Case
from models.analog.array import Array, IdealArray
from models.system.core import Core, Status
from panther.arch.core import CoreParams, Fault
from panther.arch.isa import CORE_INSTRUCTIONS, decode

LIMIT = 1 << 18
"""Cycles in which every random program has come to its end."""


STOPPING_ENDS = (
    "csr id greatest",
    "csrr id greatest",
    "mcfg key greatest",
    "vs.div sb least",
    "loop end least",
    "loops end least",
)
"""Ends of fields no core carries out: they stop it."""


class Coverage:
    """Which instructions, ends of fields and fault causes lockstep runs have met.

    An instruction counts when it retires; an end of a field too, unless it cannot.
    """

    def __init__(self) -> None:
        self.retired: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def see(self, word: int, fault: Fault = Fault.NONE) -> None:
        """An instruction that retired, or stopped the core."""
        found = decode(word)
        if fault is not Fault.NONE:
            self.faults[fault.name] += 1
        if found is None or found[0].mnemonic not in CORE_INSTRUCTIONS:
            return
        item, values = found
        if fault is Fault.NONE:
            self.retired[item.mnemonic] += 1
        for part in item.fields:
            for end, name in ((part.least, "least"), (part.greatest, "greatest")):
                goal = f"{item.mnemonic} {part.name} {name}"
                if values[part.name] == end and (fault is Fault.NONE or goal in STOPPING_ENDS):
                    self.ends[goal] += 1

    @staticmethod
    def goals() -> dict[str, list[str]]:
        """Everything there is to meet."""
        ends = [
            f"{name} {part.name} {end}"
            for name, item in CORE_INSTRUCTIONS.items()
            for part in item.fields
            for end in ("least", "greatest")
        ]
        faults = [fault.name for fault in Fault if fault is not Fault.NONE]
        return {"instructions": list(CORE_INSTRUCTIONS), "ends of fields": ends, "faults": faults}

    @property
    def met(self) -> dict[str, Counter[str]]:
        return {"instructions": self.retired, "ends of fields": self.ends, "faults": self.faults}

    @property
    def missing(self) -> dict[str, list[str]]:
        """What has not been met."""
        return {
            kind: [goal for goal in goals if not self.met[kind][goal]]
            for kind, goals in self.goals().items()
        }

    def to_json(self) -> str:
        return json.dumps({kind: dict(counts) for kind, counts in self.met.items()})

    def add_json(self, text: str) -> None:
        """Add what another run has met."""
        for kind, counts in json.loads(text).items():
            self.met[kind].update(counts)


def twin_of(case: Case, params: CoreParams) -> Core:
    """A core at transaction level in the state a case starts from."""
    arrays = [IdealArray(params.mcu) for _ in range(params.mcus)]
    for array, cells in zip(arrays, case.cells(params.mcu, params.mcus), strict=True):
        array.cells = cells
    twin = Core(params, arrays, trace=True)
    twin.load(case.words, case.bad_parity)
    twin.memory_words[: len(case.memory)] = case.memory
    twin.memory.valid[: len(case.valid)] = case.valid
    twin.memory.readers[: len(case.readers)] = case.readers
    return twin


def ends(case: Case, params: CoreParams) -> bool:
    """Whether a case comes to its end at transaction level, going on behind faults."""
    twin = twin_of(case, params)
    pc = 0
    while pc < len(case.words):
        twin.start(pc)
        status = twin.run(limit_cycles=LIMIT)
        if status is not Status.FAULTED:
            return status is Status.HALTED
        pc = max(pc, twin.pc) + 1
    return True


class Rig:
    """A core on its bench and its twin, made anew for every case; the simulation goes on.

    Parameters
    ----------
    dut
        The bench.
    params
        The core.
    """

    def __init__(self, dut: Any, params: CoreParams) -> None:
        self.dut, self.params = dut, params
        self._driver: CoreDriver | None = None
        self.coverage = Coverage()
        self.instructions = 0
        """Random ones: those of the prologues do not count."""
        self.cycles = 0
        self.compared = 0

    async def prepare(self, case: Case, arrays: Sequence[Array] | None = None) -> Lockstep:
        """Bring bench and twin into the state a case starts from."""
        params = self.params
        await reset(self.dut)
        twin = twin_of(case, params)
        if arrays is None:
            arrays = [IdealArray(params.mcu) for _ in range(params.mcus)]
        for mcu, array in enumerate(arrays):
            array.cells = twin.cells(mcu)
        if self._driver is None:
            self._driver = CoreDriver(self.dut.core0, params, arrays)
        rtl = self._driver
        rtl.use(arrays)
        rtl.forget()
        await rtl.load(case.words, case.bad_parity)
        await rtl.clear(len(case.words))
        await rtl.load_memory(twin.memory_words, twin.memory.valid, twin.memory.readers)
        return Lockstep(rtl, twin)

    async def run(self, case: Case, arrays: Sequence[Array] | None = None) -> Stop:
        """Run a case to its halt, going on behind every instruction that stops the core.

        Raises
        ------
        Divergence
            At the first difference.
        """
        lockstep = await self.prepare(case, arrays)
        tail = len(case.words) if case.tail is None else case.tail
        reached = 0

        def see(rows: Any) -> None:
            nonlocal reached
            for _, pc, low, high in rows.tolist():
                reached = max(reached, pc)
                if pc >= case.body:
                    self.instructions += pc < tail
                    self.coverage.see(low | high << 32)

        lockstep.on_retire = see
        pc = 0
        while True:
            stop = await lockstep.run(pc=pc, limit=LIMIT)
            self.cycles += stop.cycles
            if stop.running:
                raise AssertionError(f"{case.generator} {case.seed} must come to an end")
            if stop.fault is Fault.NONE:
                break
            self.instructions += 1
            if stop.pc < len(case.words):
                reached = max(reached, stop.pc)
                self.coverage.see(case.words[stop.pc], stop.fault)
            else:
                self.coverage.faults[stop.fault.name] += 1
            pc = reached + 1
            if pc >= len(case.words):  # the halt itself has waited too long
                break
        self.compared += lockstep.compared
        return stop
