// Console of the bench: holds a core, steps it, and has it carry out instructions of the host.
//
// `order` is one of: 1 hold, 2 go on, 3 step, 4 carry out `word`. `done_toggle` changes when that is
// over: the core is held or does not run, or has done the instruction; then `result` has its fault
// and what was last written to a scalar register. With `pauses`, chances in 256 a cycle from the
// lowest byte up to hold, to go on, to step, and to carry out one of `harmless`, it does all that at
// random, and says in `counts` how often.
module console #(
  parameter WORDS = 8
) (
  input clk,
  input rst,
  input running,
  input held,
  input waits,
  input [13:0] pc,
  input [31:0] scalar,
  input [3:0] execute_fault,
  input execute_ready,
  output reg hold,
  output reg step,
  output [63:0] execute,
  output reg execute_valid
);
  localparam HOLD = 1, RELEASE = 2, STEP = 3, EXECUTE = 4;

  reg [31:0] order /* verilator public_flat_rw */ = 0;
  reg [63:0] word /* verilator public_flat_rw */ = 0;
  reg [31:0] pauses /* verilator public_flat_rw */ = 0;
  reg [63:0] harmless [0:WORDS-1] /* verilator public_flat_rw */;
  reg [31:0] result [0:2] /* verilator public_flat_rd */;  // fault, scalar, cycles
  reg [31:0] counts [0:3] /* verilator public_flat_rd */;  // held, stepped, carried out, waits
  reg [31:0] status /* verilator public_flat_rd */ = 0;    // bit 0 runs, bit 1 held, then pc
  reg done_toggle /* verilator public_flat_rd */ = 0;

  reg [31:0] now = 0;       // the order being carried out
  reg [31:0] random = 1;
  reg [31:0] chances = 0;
  reg [31:0] cycles = 0;
  reg [63:0] offered = 0;
  reg taken = 0;
  reg done = 0;
  wire stopped = held || !running;
  integer n;
  initial begin
    hold = 0;
    step = 0;
    execute_valid = 0;
    for (n = 0; n < 4; n = n + 1) counts[n] = 0;
  end

  // an instruction that waits may be any other before it is taken
  assign execute = execute_valid ? offered : ~offered;

  // announced in mid-cycle, when everything has its new value
  always @(negedge clk) done_toggle <= done;

  always @(posedge clk) begin
    random <= {random[30:0], random[31] ^ random[21] ^ random[1] ^ random[0]};
    chances <= pauses;
    step <= 0;
    cycles <= cycles + 1;
    status <= {16'b0, pc, held, running};
    if (waits) counts[3] <= counts[3] + 1;
    if (execute_valid && execute_ready) begin
      execute_valid <= 0;
      taken <= 1;
      counts[2] <= counts[2] + 1;
    end
    case (now)
      0: if (order != 0) begin
        now <= order;
        order <= 0;
        cycles <= 0;
        taken <= 0;
        offered <= word;
        execute_valid <= order == EXECUTE;
        step <= order == STEP;
        if (order == HOLD) hold <= 1;
        if (order == RELEASE) hold <= 0;
      end
      // the core answers a step, or the end of its hold, in the cycle after
      HOLD, RELEASE, STEP: if (cycles > 2 && (stopped || now == RELEASE)) begin
        now <= 0;
        done <= ~done;
      end
      default: if (taken && execute_ready) begin
        result[0] <= {28'b0, execute_fault};
        result[1] <= scalar;
        result[2] <= cycles;
        now <= 0;
        done <= ~done;
      end
    endcase
    if (chances != 0) begin
      if (!hold && random[7:0] < chances[7:0]) begin
        hold <= 1;
        counts[0] <= counts[0] + 1;
      end
      if (hold && random[15:8] < chances[15:8]) hold <= 0;
      if (random[23:16] < chances[23:16]) begin
        step <= 1;
        counts[1] <= counts[1] + held;
      end
      if (held && !execute_valid && random[31:24] < chances[31:24]) begin
        execute_valid <= 1;
        offered <= harmless[random[11:4] % WORDS];
      end
    end
    if (rst) begin
      now <= 0;
      hold <= 0;
      step <= 0;
      execute_valid <= 0;
    end
  end
endmodule
