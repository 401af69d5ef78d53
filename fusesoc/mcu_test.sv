// Self-checking test of a matrix compute unit on ideal arrays: weights are written, multiplied
// both ways, moved by outer products, resolved and read back; every word is compared with integer
// arithmetic on the weights. Ends with PASS, or with $fatal at the first difference.
`timescale 1ns/1ps
module mcu_test;
`include "parameters.vh"
  localparam MVM = 0, MTVM = 1, OPA = 2, CRS = 3, READ = 4, WRITE = 5;
  localparam OPA_ROWS = 2, OPA_COLUMNS = 3;
  localparam LINES = ROWS > COLUMNS ? ROWS : COLUMNS;
  localparam WORD = 1 << (OPERAND_BITS - 1);
  localparam PRODUCTS = 3;  // outer products before carries are resolved

  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

  reg [10:0] command = 0;
  reg command_valid = 0;
  wire command_ready;
  reg [35:0] config_data = 0;
  reg config_valid = 0;
  wire config_ready;
  reg [4*OPERAND_BITS+12:0] operand = 0;
  reg operand_valid = 0;
  wire operand_ready;
  reg [8:0] request = 0;
  reg request_valid = 0;
  wire request_ready;
  wire [4*OPERAND_BITS-1:0] result;
  wire result_valid;
  reg [CELLS+7:0] cells = 0;
  reg cells_valid = 0;
  wire cells_ready;
  reg [7:0] ask = 0;
  reg ask_valid = 0;
  wire ask_ready;
  wire [CELLS-1:0] answer;
  wire answer_valid;
  wire busy, rejected;

  bench bench (
    .clk(clk), .rst(rst),
    .i_command__payload(command), .i_command__valid(command_valid),
    .i_command__ready(command_ready),
    .i_config__payload(config_data), .i_config__valid(config_valid),
    .i_config__ready(config_ready),
    .i_write__payload(operand), .i_write__valid(operand_valid), .i_write__ready(operand_ready),
    .i_read__0__payload(request), .i_read__0__valid(request_valid),
    .i_read__0__ready(request_ready),
    .o_read__0__payload(result), .o_read__0__valid(result_valid), .o_read__0__ready(1'b1),
    .i_read__1__payload(9'b0), .i_read__1__valid(1'b0), .i_read__1__ready(),
    .o_read__1__payload(), .o_read__1__valid(), .o_read__1__ready(1'b1),
    .i_cells__payload(cells), .i_cells__valid(cells_valid), .i_cells__ready(cells_ready),
    .i_cells_read__payload(ask), .i_cells_read__valid(ask_valid),
    .i_cells_read__ready(ask_ready),
    .o_cells__payload(answer), .o_cells__valid(answer_valid), .o_cells__ready(1'b1),
    .busy(busy), .rejected(rejected), .counter_select(0), .counter_value()
  );

  reg signed [63:0] weight [0:ROWS*COLUMNS-1];
  reg signed [31:0] x [0:LINES-1];
  reg signed [31:0] e [0:LINES-1];
  integer seed = 1;
  integer r, c, k, n, b, from, shift, compared = 0;
  reg signed [63:0] sum, expected, got;
  reg signed [31:0] one;

  // a number from low to high
  function integer among(input integer low, input integer high);
    among = low + $unsigned($random(seed)) % (high - low + 1);
  endfunction

  function integer bits_of(input integer slice);
    bits_of = {24'b0, CELL_BITS[8*slice +: 8]};
  endfunction

  // every stream: valid until a rising edge finds ready
  task run(input integer operation, input integer row);
    begin
      @(negedge clk);
      command = {row[7:0], operation[2:0]};
      command_valid = 1;
      #1 while (!command_ready) @(negedge clk) #1;
      @(negedge clk) command_valid = 0;
      while (busy) @(negedge clk);
    end
  endtask

  task configure(input integer key, input integer value);
    begin
      @(negedge clk);
      config_data = {value[31:0], key[3:0]};
      config_valid = 1;
      #1 while (!config_ready) @(negedge clk) #1;
      @(negedge clk) config_valid = 0;
    end
  endtask

  task put_word(input integer bank, input integer index, input integer value);
    begin
      @(negedge clk);
      operand = 0;
      operand[12:0] = {3'd1, index[7:0], bank[1:0]};
      operand[13 +: OPERAND_BITS] = value[OPERAND_BITS-1:0];
      operand_valid = 1;
      #1 while (!operand_ready) @(negedge clk) #1;
      @(negedge clk) operand_valid = 0;
    end
  endtask

  task get_word(input integer bank, input integer index);
    begin
      @(negedge clk);
      request = {index[7:0], bank[0]};
      request_valid = 1;
      #1 while (!request_ready) @(negedge clk) #1;
      @(negedge clk) request_valid = 0;
      while (!result_valid) @(negedge clk);
      got = $signed(result[OPERAND_BITS-1:0]);
    end
  endtask

  task compare(input [8*8-1:0] what, input integer index);
    begin
      compared = compared + 1;
      if (got !== expected)
        $fatal(1, "%0s %0d is %0d, not %0d, at %0t", what, index, got, expected, $time);
    end
  endtask

  // to nearest, ties up, then limited to a word
  task round_sum;
    begin
      expected = shift == 0 ? sum : (sum + (64'sd1 << (shift - 1))) >>> shift;
      if (expected >= WORD) expected = WORD - 1;
      if (expected < -WORD) expected = -WORD;
    end
  endtask

  task multiply;
    begin
      for (r = 0; r < ROWS; r = r + 1) begin
        x[r] = among(-WORD, WORD - 1);
        put_word(MVM, r, x[r]);
      end
      run(MVM, 0);
      for (c = 0; c < COLUMNS; c = c + 1) begin
        sum = 0;
        for (r = 0; r < ROWS; r = r + 1) sum = sum + x[r] * weight[r * COLUMNS + c];
        round_sum;
        get_word(0, c);
        compare("mvm", c);
      end
      for (c = 0; c < COLUMNS; c = c + 1) begin
        e[c] = among(-WORD, WORD - 1);
        put_word(MTVM, c, e[c]);
      end
      run(MTVM, 0);
      for (r = 0; r < ROWS; r = r + 1) begin
        sum = 0;
        for (c = 0; c < COLUMNS; c = c + 1) sum = sum + e[c] * weight[r * COLUMNS + c];
        round_sum;
        get_word(1, r);
        compare("mtvm", r);
      end
    end
  endtask

  initial begin
    repeat (4) @(negedge clk);
    rst = 0;
    // cells small enough that the outer products below saturate none
    for (r = 0; r < ROWS; r = r + 1) begin
      for (c = 0; c < COLUMNS; c = c + 1) begin
        @(negedge clk);
        cells = 0;
        cells[7:0] = c;
        from = 8;
        sum = 0;
        for (k = 0; k < SLICES; k = k + 1) begin
          one = among(-(1 << (bits_of(k) - 2)), (1 << (bits_of(k) - 2)) - 1);
          for (b = 0; b < bits_of(k); b = b + 1) cells[from + b] = one[b];
          from = from + bits_of(k);
          sum = sum + ($signed({{32{one[31]}}, one}) <<< (k * VALUE_BITS));
        end
        weight[r * COLUMNS + c] = sum;
        cells_valid = 1;
        #1 while (!cells_ready) @(negedge clk) #1;
        @(negedge clk) cells_valid = 0;
      end
      run(WRITE, r);
    end
    for (shift = OPERAND_BITS - 2; shift < SUM_BITS - 1; shift = shift + OPERAND_BITS) begin
      configure(2, shift);
      configure(3, shift);
      multiply;
    end
    for (n = 0; n < PRODUCTS; n = n + 1) begin
      for (r = 0; r < ROWS; r = r + 1) begin
        x[r] = among(-1, 1);
        put_word(OPA_ROWS, r, x[r]);
      end
      for (c = 0; c < COLUMNS; c = c + 1) begin
        e[c] = among(-1, 1);
        put_word(OPA_COLUMNS, c, e[c]);
      end
      run(OPA, 0);
      for (r = 0; r < ROWS; r = r + 1)
        for (c = 0; c < COLUMNS; c = c + 1)
          weight[r * COLUMNS + c] = weight[r * COLUMNS + c] + x[r] * e[c];
    end
    shift = SUM_BITS / 2;
    configure(2, shift);
    configure(3, shift);
    multiply;
    run(CRS, 0);
    for (r = 0; r < ROWS; r = r + 1) begin
      run(READ, r);
      for (c = 0; c < COLUMNS; c = c + 1) begin
        @(negedge clk);
        ask = c;
        ask_valid = 1;
        #1 while (!ask_ready) @(negedge clk) #1;
        @(negedge clk) ask_valid = 0;
        while (!answer_valid) @(negedge clk);
        from = 0;
        got = 0;
        for (k = 0; k < SLICES; k = k + 1) begin
          for (b = 0; b < 32; b = b + 1)
            one[b] = answer[from + (b < bits_of(k) ? b : bits_of(k) - 1)];
          from = from + bits_of(k);
          got = got + ($signed({{32{one[31]}}, one}) <<< (k * VALUE_BITS));
        end
        expected = weight[r * COLUMNS + c];
        compare("weight", r * COLUMNS + c);
      end
    end
    $display("PASS: %0d words compared", compared);
    $finish;
  end

  always @(posedge clk)
    if (rejected) $fatal(1, "a request was rejected at %0t", $time);

  // long enough for any unit: nothing may hang
  initial begin
    #(10.0 * (10000 + 4000 * LINES + 200.0 * ROWS * COLUMNS));
    $fatal(1, "the test does not end");
  end
endmodule
