"""A wrapper that gives every pin a register, so that a design's many pins need no pads.

The analog side of a matrix unit has thousands of pins, more than any package. Place and route gets
the design inside of a module with three pins: inputs come out of a chain of registers, outputs end
in registers that nothing reads but that must stay. Thereby paths through pins count, too.
"""

from panther.synth.modules import ports

TOP = "pins"

_FLIP_FLOP = (
    '(* keep *) TRELLIS_FF #(.GSR("AUTO"), .CEMUX("1"), .CLKMUX("CLK"), .LSRMUX("LSR"), '
    '.REGSET("RESET")) pin'
)


def wrapper(verilog: str, top: str) -> str:
    """Verilog of a module :data:`TOP` around ``top``; its cells are the ECP5's own."""
    found = [port for port in ports(verilog, top) if port.name not in ("clk", "rst")]
    wires, registers = [], []
    previous = "serial"
    for name, bits, output in found:
        wires.append(f"  wire [{bits - 1}:0] w_{name};")
        if output:
            pins = f".CLK(clk), .LSR(1'b0), .DI(w_{name}[n])"
        else:
            before = f"n == 0 ? {previous} : w_{name}[n - (n > 0)]"
            pins = f".CLK(clk), .LSR(1'b0), .DI({before}), .Q(w_{name}[n])"
            previous = f"w_{name}[{bits - 1}]"
        registers.append(
            f"    for (n = 0; n < {bits}; n = n + 1) begin: {name}\n"
            f"      {_FLIP_FLOP} ({pins});\n    end"
        )
    connected = ", ".join(f".{port.name}(w_{port.name})" for port in found)
    return "\n".join(
        [
            f"module {TOP}(input clk, input rst, input serial);",
            *wires,
            f"  {top} dut(.clk(clk), .rst(rst), {connected});",
            "  genvar n;",
            "  generate",
            *registers,
            "  endgenerate",
            "endmodule\n",
        ]
    )
