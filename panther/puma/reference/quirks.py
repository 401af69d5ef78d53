"""What the reference simulator does and hardware would not, or counts and should not: switches."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """True is what the reference does; ``docs/puma.md`` says what each of them makes."""

    # of time
    refused_requests_take_turns: bool = True
    """A load or store that has to wait asks the memory again and again, two cycles each time.
    Otherwise the memory is given only to those it can serve."""
    lanes_rounded_down: bool = True
    """A vector of 10 words takes 10 // 4 cycles on 4 lanes; otherwise the last part counts."""
    copies_in_one_cycle: bool = True
    """A copy of any length takes a cycle; otherwise one a word."""
    latencies_in_floats: bool = True
    """The digital baseline's 18 steps of 100 * 8.97 ns are 16146.000000000002 ns, so one cycle
    more than 16146."""
    loads_give_up: bool = True
    """A load that has waited for 100,000 cycles goes on without its words: such a run is refused,
    for what follows in the reference makes no sense. Otherwise it waits."""

    # of counts
    half_of_opa: bool = True
    """An outer product is made on 16 arrays and counted on 8."""
    refused_loads_read: bool = True
    """A load that is refused has read the memory, nevertheless."""
    one_memory_cycle: bool = True
    """A row's access takes two cycles of the tile memory and its bus, and costs one's energy."""
    sends_pass_controller: bool = True
    """Rows that are sent and received come from and go to the tile memory without its controller
    and its counters; otherwise they cost an access of both, as those of cores do."""
    stores_read_rows: bool = True
    """A store reads 16 registers for every row, however narrow the row is."""
    converters_in_step: bool = True
    """Drivers and converters of a product are part of its arrays' price, those of an outer product
    of its pulses'; otherwise they are charged beside it. Sample-and-hold and shift-and-add always
    are."""
    opa_columns_free: bool = True
    """An outer product reads its columns from XbarOut at no cost; otherwise word by word."""
    fetch_past_end: bool = True
    """A core fetches once more than it has instructions."""

    # of units
    first_tile_free: bool = True
    """Tile 0, which only sends the inputs, costs nothing, leakage included; tile 1 does."""
    control_swapped: bool = True
    """The control of a core is charged for every cycle of a tile, that of a tile for every cycle
    of a core."""
    one_router: bool = True
    """However many tiles there are, one router works and leaks; otherwise one for every four."""
    power_gated: bool = True
    """Cores and tiles leak until they halt, the router while a message is on its way; otherwise
    all do until the end."""
    one_lane_leaks: bool = True
    """Of a core's four lanes one leaks, and of a product's eight sample-and-hold arrays one."""


QUIRKS_OFF = Quirks(**{field.name: False for field in fields(Quirks)})
"""None of them."""
