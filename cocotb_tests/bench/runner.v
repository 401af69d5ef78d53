// Runner of the bench: loads a program into a core, starts it and says when it has stopped.
//
// The testbench fills `program_words` and sets `go`: bit 0 load `length` words, bit 1 have the
// memory copy its image, bit 2 start at `start_pc`. `done_toggle` changes when all that is over: the
// core has stopped and its matrix units and its memory port are idle, or it has run for `limit`
// cycles. With bit 3 it does not wait for those: the next start has to.
module runner #(
  parameter DEPTH = 512
) (
  input clk,
  input rst,
  output copy,
  output [12:0] program_address,
  output [63:0] program_word,
  output program_invert,
  output program_valid,
  output start,
  output [12:0] start_address,
  input running,
  input idle
);
  localparam IDLE = 0, LOAD = 1, COPY = 2, START = 3, RUN = 4;

  reg [95:0] program_words [0:DEPTH-1] /* verilator public_flat_rw */;  // invert, address, word
  reg [31:0] length /* verilator public_flat_rw */ = 0;
  reg [31:0] start_pc /* verilator public_flat_rw */ = 0;
  reg [31:0] limit /* verilator public_flat_rw */ = 0;
  reg [31:0] go /* verilator public_flat_rw */ = 0;
  reg [31:0] cycles /* verilator public_flat_rd */ = 0;
  reg done_toggle /* verilator public_flat_rd */ = 0;

  reg [2:0] state = IDLE;
  reg [31:0] wanted = 0;
  reg [31:0] next = 0;
  reg [31:0] last = 0;
  reg [12:0] start_at = 0;
  reg [95:0] entry = 0;
  reg valid = 0;
  reg done = 0;
  reg began = 0;

  assign program_invert = entry[77];
  assign program_address = entry[76:64];
  assign program_word = entry[63:0];
  assign program_valid = valid;
  assign copy = state == COPY;
  assign start = state == START;
  assign start_address = start ? start_at : ~start_at;  // it counts in that cycle only

  // announced in mid-cycle, when everything has its new value
  always @(negedge clk) done_toggle <= done;

  always @(posedge clk) begin
    valid <= 0;
    case (state)
      IDLE: if (go != 0) begin
        wanted <= go;
        go <= 0;
        next <= 0;
        last <= length;
        start_at <= start_pc;
        state <= LOAD;
      end
      LOAD: begin
        if (wanted[0] && next < last) begin
          entry <= program_words[next];
          valid <= 1;
          next <= next + 1;
        end else
          state <= COPY;
        if (!wanted[1] && !(wanted[0] && next < last))
          state <= wanted[2] ? START : IDLE;
        if (!(wanted[0] && next < last) && !wanted[1] && !wanted[2])
          done <= ~done;
      end
      COPY: begin
        state <= wanted[2] ? START : IDLE;
        if (!wanted[2])
          done <= ~done;
      end
      START: begin
        cycles <= 0;
        began <= 0;
        state <= RUN;
      end
      RUN: begin
        // the core may begin later than it is told to
        began <= began || running;
        cycles <= running || began ? cycles + 1 : 0;
        if (began && !running && (idle || wanted[3]) || limit != 0 && cycles >= limit) begin
          state <= IDLE;
          done <= ~done;
        end
      end
    endcase
    if (rst)
      state <= IDLE;
  end
endmodule
