"""A tile's memory without its data: who has stored and taken what, and who knows of it.

Time is a vector clock: each unit counts its accesses, and knows of every other unit how far it has
come, from what it has taken, received or waited for. An access *happens before* another one if the
unit of the latter knows of it; then it does so whatever the units' speed. Groups that have been
accessed alike are kept together as a segment.
"""

from collections.abc import Callable, Iterable

from panther.arch.core import LANES

Clock = list[int]
"""Of every lane of every unit, how many accesses are known."""


class Event:
    """One access to groups that follow each other."""

    __slots__ = ("actor", "clock", "end", "first", "known", "lanes", "low", "pc", "tid")

    def __init__(
        self,
        actor: "Actor",
        tid: int,
        lanes: int,
        clock: int,
        groups: tuple[int, int],
        known: Clock,
        words: tuple[int, int],
    ) -> None:
        self.actor = actor
        self.pc = actor.pc
        self.tid = tid
        self.lanes = lanes
        self.clock = clock
        self.first = groups[0]
        self.known = known
        """What the unit knew when it did that, itself apart."""
        self.low, self.end = words

    def at(self, group: int) -> tuple[int, int]:
        """Lane of the clock and the time in it of the access to one of the groups."""
        if self.lanes:
            return self.tid + group - self.first, self.clock
        return self.tid, self.clock + group - self.first

    def is_known(self, clock: Clock, first: int, end: int) -> bool:
        """Whether ``clock`` has the access to all groups from ``first`` up to ``end``."""
        if not self.lanes:
            return clock[self.tid] >= self.clock + end - 1 - self.first
        lane = self.tid - self.first
        return all(clock[lane + group] >= self.clock for group in range(first, end))

    def join(self, clock: Clock, first: int, end: int) -> None:
        """Let ``clock`` know of it."""
        if self.is_known(clock, first, end):
            return
        merge(clock, self.known)
        for group in (end - 1,) if not self.lanes else range(first, end):
            lane, time = self.at(group)
            clock[lane] = max(clock[lane], time)


def merge(clock: Clock, other: Clock) -> None:
    """Let ``clock`` know what ``other`` does."""
    clock[:] = [a if a > b else b for a, b in zip(clock, other, strict=True)]


class Actor:
    """A unit that accesses its tile's memory.

    A core goes through groups in order. Send and receive unit access the groups of a row in any
    order: each has a lane of the clock for itself.
    """

    def __init__(self, name: str, unit: tuple[int, int], tid: int, size: int) -> None:
        self.name = name
        self.unit = unit
        self.tid = tid
        self.clock: Clock = [0] * size
        self.time = 0
        self.row: int | None = None
        """First group of the row, of send and receive unit."""
        self.pc = 0

    def event(self, clock: Clock, first: int, end: int, words: tuple[int, int]) -> Event:
        """An access to groups with what ``clock`` knows, which then knows of it."""
        known = clock.copy()
        if self.row is not None:
            made = Event(self, self.tid, 1, self.time, (self.row, end), known, words)
            for group in range(first, end):
                clock[self.tid + group - self.row] = self.time
            return made
        made = Event(self, self.tid, 0, self.time + 1, (first, end), known, words)
        self.time += end - first
        clock[self.tid] = self.time
        return made

    def glance(self, clock: Clock, first: int, end: int, words: tuple[int, int]) -> Event:
        """A core's access that nobody learns of."""
        made = Event(self, self.tid, 0, self.time + 1, (first, end), _NOTHING, words)
        self.time += end - first
        clock[self.tid] = self.time
        return made


_NOTHING: Clock = []
_REVOKED = "takes word {word}, whether before or after {other} is open"
_OLD = "loads word {word}, whether before or after {other} is open"
_GONE = "takes word {word}, which {other} may still have to load"
_FREED = "stores word {word} with no order to its release by {other}"
_CHANGED = "loads word {word} with no order to {other}, which stores it"
_TAKEN = "stores word {word} with no order to {other}, which takes it"
_USED = "releases word {word} with no order to {other}"
_IN_USE = "stores word {word} with no order to {other}"
_BOTH = "stores word {word} with no order to {other}, which stores it, too"


class Segment:
    """Groups that have been accessed alike."""

    __slots__ = (
        "before", "end", "first", "glances", "readers", "released", "revoked", "store", "takes",
        "valid", "writes",
    )  # fmt: skip

    def __init__(self, first: int, end: int) -> None:
        self.first = first
        self.end = end
        self.valid = False
        self.readers = 0
        self.store: Event | None = None
        """What made it valid last; None if nobody has, or the host."""
        self.writes: tuple[Event, ...] = ()
        """Plain stores since."""
        self.takes: tuple[Event, ...] = ()
        """Who has taken it since, or released it."""
        self.released = False
        """Whether it was free already when it was released: a store need not have waited."""
        self.before: tuple[Event, ...] = ()
        """Who had taken or released it before it was stored."""
        self.revoked: dict[int, tuple[Event, int]] = {}
        """Who has ever stored or released it while readers were still to take it, and which."""
        self.glances: dict[int, Event] = {}
        """The last load without take of each core since."""

    def split(self, at: int) -> "Segment":
        """Keep the groups before ``at``; the others."""
        rest = Segment(at, self.end)
        self.end = at
        rest.valid, rest.readers, rest.store = self.valid, self.readers, self.store
        rest.writes, rest.takes, rest.released = self.writes, self.takes, self.released
        rest.before, rest.glances, rest.revoked = self.before, self.glances.copy(), self.revoked
        return rest


Race = Callable[[Actor, Event, int, str], None]
"""Told of an access, an earlier one it has no order with, the word, and a text with ``{word}`` and
``{other}`` in it."""


class TileMemory:
    """The state of all groups of a tile.

    Accesses give False if they have to wait. ``clock`` is that of the access: what its unit knows;
    groups are those of one segment.
    """

    def __init__(self, tile: int, groups: int, race: Race) -> None:
        self.tile = tile
        self.groups = groups
        self.of = [Segment(0, groups)] * groups
        self.waiting: dict[int, dict[Actor, None]] = {}
        """Who waits for a group to change."""
        self.woken: list[Actor] = []
        self.known: dict[int, int] = {}
        """Words of the host whose values are given."""
        self._race = race

    # ---- what the host does

    def give(self, address: int, words: int, values: Iterable[int] = ()) -> None:
        """The host stores words plainly; those without values are unknown."""
        group, end = address // LANES, -(-(address + words) // LANES)
        while group < end:
            segment = self.segment(group, end)
            segment.valid = True
            group = segment.end
        self.forget(address, address + words)
        for n, value in enumerate(values):
            self.known[address + n] = value

    def forget(self, low: int, end: int) -> None:
        """Words are stored: nothing is known of them any more."""
        if self.known:
            for word in [word for word in self.known if low <= word < end]:
                del self.known[word]

    # ---- accesses

    def segment(self, first: int, end: int) -> Segment:
        """What begins at ``first``, at most up to ``end``, and has been accessed alike."""
        found = self.of[first]
        if found.first < first:
            found = self._split(found, first)
        if found.end > end:
            self._split(found, end)
        return found

    def _split(self, segment: Segment, at: int) -> Segment:
        rest = segment.split(at)
        self.of[at : rest.end] = [rest] * (rest.end - at)
        return rest

    def take(self, actor: Actor, clock: Clock, segment: Segment, bit: int) -> bool:
        """Load and clear the reader's bit."""
        if not segment.valid or not segment.readers & bit:
            return False
        first, end = segment.first, segment.end
        for event, readers in segment.revoked.values():
            if readers & bit and not event.is_known(clock, first, end):
                self._report(actor, event, segment, _REVOKED)
        if segment.store is not None:
            segment.store.join(clock, first, end)
        segment.takes += (actor.event(clock, first, end, (LANES * first, LANES * end)),)
        segment.readers ^= bit
        if not segment.readers:
            segment.valid = False
            for glance in segment.glances.values():
                # whoever has loaded before one of those that take has found it valid
                lane, time = glance.at(end - 1)
                if not any(take.known[lane] >= time for take in segment.takes):
                    self._report(
                        actor,
                        glance,
                        segment,
                        _GONE,
                    )
            self._wake(first, end)
        return True

    def store(
        self, actor: Actor, clock: Clock, segment: Segment, readers: int, words: tuple[int, int]
    ) -> bool:
        """Store once it is free; words are all those of the instruction."""
        if segment.valid:
            return False
        first, end = segment.first, segment.end
        before = segment.store
        if before is not None and not before.is_known(clock, first, end):
            self._report(actor, before, segment, _BOTH)
        for take in segment.takes:
            if segment.released and not take.is_known(clock, first, end):
                self._report(
                    actor,
                    take,
                    segment,
                    _FREED,
                )
            take.join(clock, first, end)
        segment.store = actor.event(clock, first, end, words)
        segment.valid = True
        segment.readers = readers
        self._begin(segment)
        self._wake(first, end)
        return True

    def load(self, actor: Actor, clock: Clock, segment: Segment, words: tuple[int, int]) -> bool:
        """Load once it is valid."""
        if not segment.valid:
            return False
        first, end = segment.first, segment.end
        for take in segment.before:
            if not take.is_known(clock, first, end):
                text = (
                    "loads word {word} with no order to {other}, so it may be what was there before"
                )
                self._report(actor, take, segment, text)
        if segment.store is not None:
            segment.store.join(clock, first, end)
        for write in segment.writes:
            if _overlap(write, segment, words) and not write.is_known(clock, first, end):
                self._report(
                    actor,
                    write,
                    segment,
                    _CHANGED,
                )
        old = segment.glances.get(actor.tid)
        if old is not None:
            words = min(old.low, words[0]), max(old.end, words[1])
        segment.glances[actor.tid] = actor.glance(clock, first, end, words)
        return True

    def store_plain(
        self, actor: Actor, clock: Clock, segment: Segment, words: tuple[int, int]
    ) -> None:
        """Store without waiting."""
        first, end = segment.first, segment.end
        quiet = segment.valid and not segment.readers
        before = segment.store
        if before is not None and not before.is_known(clock, first, end):
            self._report(actor, before, segment, _BOTH)
        for access in (*segment.writes, *segment.glances.values()):
            if (not quiet or _overlap(access, segment, words)) and not access.is_known(
                clock, first, end
            ):
                self._report(actor, access, segment, _IN_USE)
        if not quiet:
            for take in segment.takes:
                if not take.is_known(clock, first, end):
                    self._report(
                        actor,
                        take,
                        segment,
                        _TAKEN,
                    )
        event = actor.event(clock, first, end, words)
        if segment.valid:
            self._revoke(segment, event)
            # one that is known to whoever knows this one, and is stored over, says nothing more
            kept = (write for write in segment.writes if not _within(write, segment, words))
            segment.writes = (*kept, event)
        else:
            segment.valid = True
            segment.store = event
            self._begin(segment)
        self._wake(first, end)

    def release(self, actor: Actor, clock: Clock, segment: Segment) -> None:
        """Make it free."""
        first, end = segment.first, segment.end
        accesses = (*segment.writes, *segment.takes, *segment.glances.values())
        for access in accesses if segment.store is None else (segment.store, *accesses):
            if not access.is_known(clock, first, end):
                self._report(actor, access, segment, _USED)
        event = actor.event(clock, first, end, (LANES * first, LANES * end))
        self._revoke(segment, event)
        segment.takes = (event,)
        segment.released = not segment.valid
        segment.valid = False
        self._wake(first, end)

    @staticmethod
    def _revoke(segment: Segment, event: Event) -> None:
        """Nobody has to take it any more."""
        if segment.readers:
            readers = segment.revoked.get(event.tid, (event, 0))[1] | segment.readers
            segment.revoked = {**segment.revoked, event.tid: (event, readers)}
            segment.readers = 0

    @staticmethod
    def _begin(segment: Segment) -> None:
        """It has become valid."""
        segment.before = segment.takes
        segment.takes = ()
        segment.released = False
        segment.writes = ()
        if segment.glances:
            segment.glances = {}

    def _report(self, actor: Actor, other: Event, segment: Segment, what: str) -> None:
        word = LANES * segment.first
        if other.low < LANES * segment.end:
            word = max(word, other.low)
        self._race(actor, other, word, what)

    def doubt(self, actor: Actor, clock: Clock, segment: Segment, bit: int | None) -> None:
        """Report what somebody who waits in vain may have come too late for, at another speed.

        ``bit`` is that of a load with take, 0 of one without, None of a store.
        """
        first, end = segment.first, segment.end
        if bit is None:
            found = [(event, _BOTH) for event in (segment.store, *segment.writes) if event]
        elif bit:
            found = [(event, _REVOKED) for event, who in segment.revoked.values() if who & bit]
        else:
            found = [(event, _OLD) for event in segment.takes]
        for event, text in found:
            if not event.is_known(clock, first, end):
                self._report(actor, event, segment, text)

    # ---- waiting

    def wait(self, actor: Actor, group: int) -> None:
        """Note that somebody waits for a group's state to change."""
        self.waiting.setdefault(group, {})[actor] = None

    def _wake(self, first: int, end: int) -> None:
        if self.waiting:
            for group in [group for group in self.waiting if first <= group < end]:
                self.woken += self.waiting.pop(group)


def _overlap(event: Event, segment: Segment, words: tuple[int, int]) -> bool:
    """Whether an access has to do with the words of another one, within a segment."""
    low = max(event.low, words[0], LANES * segment.first)
    return low < min(event.end, words[1], LANES * segment.end)


def _within(event: Event, segment: Segment, words: tuple[int, int]) -> bool:
    """Whether all words of an access, within a segment, are among ``words``."""
    low, end = max(event.low, LANES * segment.first), min(event.end, LANES * segment.end)
    return words[0] <= low and end <= words[1]
