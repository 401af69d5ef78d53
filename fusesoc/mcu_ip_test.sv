// Self-checking test of the stand-alone matrix compute unit on ideal arrays: weights are written, multiplied
// both ways, moved by outer products, resolved and read back; every word is compared with integer
// arithmetic on the weights. Ends with PASS, or with $fatal at the first difference.
`timescale 1ns/1ps
module mcu_ip_test;
`include "parameters.vh"
  localparam MVM = 0, MTVM = 1, OPA = 2, CRS = 3, READ = 4, WRITE = 5;
  localparam OPA_ROWS = 2, OPA_COLUMNS = 3;
  localparam LINES = ROWS > COLUMNS ? ROWS : COLUMNS;
  localparam WORD = 1 << (OPERAND_BITS - 1);
  localparam STATUS = 'h14, COMMAND = 'h24, START_STREAM = 'h28, MVM_SHIFT = 'h38, MTVM_SHIFT = 'h3c;
  localparam CELL_COLUMN = 'h44, CELLS_FIRST = 'h80, CELL_REGISTERS = (CELLS + 31) / 32;
  localparam PRODUCTS = 3;  // outer products before carries are resolved

  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

  reg [11:0] awaddr = 0, araddr = 0;
  reg [31:0] wdata = 0;
  reg awvalid = 0, wvalid = 0, arvalid = 0;
  wire awready, wready, arready, bvalid, rvalid;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;
  reg [63:0] operands = 0;
  reg [7:0] keep = 0;
  reg last = 0, operands_valid = 0;
  reg [1:0] in_bank = 0;
  wire operands_ready;
  wire [63:0] results;
  wire results_valid, results_last;
  wire [1:0] out_bank;

  bench bench (
    .clk(clk), .rst(rst), .irq(),
    .s_axil_awaddr(awaddr), .s_axil_awvalid(awvalid), .s_axil_awready(awready),
    .s_axil_wdata(wdata), .s_axil_wstrb(4'hf), .s_axil_wvalid(wvalid), .s_axil_wready(wready),
    .s_axil_bresp(bresp), .s_axil_bvalid(bvalid), .s_axil_bready(1'b1),
    .s_axil_araddr(araddr), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
    .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid), .s_axil_rready(1'b1),
    .s_axis_tdata(operands), .s_axis_tkeep(keep), .s_axis_tlast(last), .s_axis_tdest(in_bank),
    .s_axis_tvalid(operands_valid), .s_axis_tready(operands_ready),
    .m_axis_tdata(results), .m_axis_tkeep(), .m_axis_tlast(results_last), .m_axis_tdest(out_bank),
    .m_axis_tvalid(results_valid), .m_axis_tready(1'b1)
  );

  reg signed [63:0] weight [0:ROWS*COLUMNS-1];
  reg signed [31:0] x [0:LINES-1];
  reg signed [31:0] e [0:LINES-1];
  integer seed = 1;
  integer r, c, k, n, b, w, product, from, shift, compared = 0;
  reg signed [63:0] sum, expected, got;
  reg signed [31:0] one;
  reg [32*CELL_REGISTERS-1:0] cells;
  reg [31:0] read;
  reg took_address, took_data;

  // results as they come, a bank each
  reg [15:0] received [0:2*LINES+7];
  integer words = 0, packets = 0;
  always @(posedge clk)
    if (results_valid) begin
      for (w = 0; w < 4; w = w + 1)
        if (words + w < LINES) received[out_bank[0] * LINES + words + w] = results[16*w +: 16];
      words = results_last ? 0 : words + 4;
      if (results_last) packets = packets + 1;
    end

  // a number from low to high
  function integer among(input integer low, input integer high);
    among = low + $unsigned($random(seed)) % (high - low + 1);
  endfunction

  function integer bits_of(input integer slice);
    bits_of = {24'b0, CELL_BITS[8*slice +: 8]};
  endfunction

  task put(input integer address, input integer value);
    begin
      @(negedge clk);
      awaddr = address[11:0];
      wdata = value;
      awvalid = 1;
      wvalid = 1;
      while (awvalid || wvalid) begin
        #1 took_address = awready;
        took_data = wready;
        @(negedge clk);
        if (took_address) awvalid = 0;
        if (took_data) wvalid = 0;
      end
      while (!bvalid) @(negedge clk);
      if (bresp != 0) $fatal(1, "register %0h refuses %0h at %0t", address, value, $time);
    end
  endtask

  task get(input integer address);
    begin
      @(negedge clk);
      araddr = address[11:0];
      arvalid = 1;
      #1 while (!arready) @(negedge clk) #1;
      @(negedge clk) arvalid = 0;
      while (!rvalid) @(negedge clk);
      if (rresp != 0) $fatal(1, "register %0h cannot be read at %0t", address, $time);
      read = rdata;
    end
  endtask

  task run(input integer operation, input integer row);
    begin
      put(COMMAND, row << 8 | operation);
      read = 1;
      while (read != 0) get(STATUS);
    end
  endtask

  // a packet of words x (or e) into a bank
  task send(input integer bank, input integer lines, input integer of_columns);
    begin
      for (from = 0; from < lines; from = from + 4) begin
        @(negedge clk);
        operands = 0;
        keep = 0;
        for (b = 0; b < 4; b = b + 1)
          if (from + b < lines) begin
            one = of_columns ? e[from + b] : x[from + b];
            operands[16*b +: 16] = one[15:0];
            keep[2*b +: 2] = 3;
          end
        last = from + 4 >= lines;
        in_bank = bank[1:0];
        operands_valid = 1;
        #1 while (!operands_ready) @(negedge clk) #1;
      end
      @(negedge clk) operands_valid = 0;
    end
  endtask

  task receive(input integer bank);
    begin
      put(START_STREAM, bank);
      n = packets + 1;
      while (packets < n) @(negedge clk);
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
      end
      send(MVM, ROWS, 0);
      run(MVM, 0);
      receive(0);
      for (c = 0; c < COLUMNS; c = c + 1) begin
        sum = 0;
        for (r = 0; r < ROWS; r = r + 1) sum = sum + x[r] * weight[r * COLUMNS + c];
        round_sum;
        got = $signed(received[c]);
        compare("mvm", c);
      end
      for (c = 0; c < COLUMNS; c = c + 1) begin
        e[c] = among(-WORD, WORD - 1);
      end
      send(MTVM, COLUMNS, 1);
      run(MTVM, 0);
      receive(1);
      for (r = 0; r < ROWS; r = r + 1) begin
        sum = 0;
        for (c = 0; c < COLUMNS; c = c + 1) sum = sum + e[c] * weight[r * COLUMNS + c];
        round_sum;
        got = $signed(received[LINES + r]);
        compare("mtvm", r);
      end
    end
  endtask

  initial begin
    repeat (4) @(negedge clk);
    rst = 0;
    // cells small enough that the outer products below saturate none
    for (r = 0; r < ROWS; r = r + 1) begin
      put(CELL_COLUMN, 0);
      for (c = 0; c < COLUMNS; c = c + 1) begin
        cells = 0;
        from = 0;
        sum = 0;
        for (k = 0; k < SLICES; k = k + 1) begin
          one = among(-(1 << (bits_of(k) - 2)), (1 << (bits_of(k) - 2)) - 1);
          for (b = 0; b < bits_of(k); b = b + 1) cells[from + b] = one[b];
          from = from + bits_of(k);
          sum = sum + ($signed({{32{one[31]}}, one}) <<< (k * VALUE_BITS));
        end
        weight[r * COLUMNS + c] = sum;
        for (k = 0; k < CELL_REGISTERS; k = k + 1) put(CELLS_FIRST + 4 * k, cells[32*k +: 32]);
      end
      run(WRITE, r);
    end
    for (shift = OPERAND_BITS - 2; shift < SUM_BITS - 1; shift = shift + OPERAND_BITS) begin
      put(MVM_SHIFT, shift);
      put(MTVM_SHIFT, shift);
      multiply;
    end
    for (product = 0; product < PRODUCTS; product = product + 1) begin
      for (r = 0; r < ROWS; r = r + 1) begin
        x[r] = among(-1, 1);
      end
      for (c = 0; c < COLUMNS; c = c + 1) begin
        e[c] = among(-1, 1);
      end
      send(OPA_ROWS, ROWS, 0);
      send(OPA_COLUMNS, COLUMNS, 1);
      run(OPA, 0);
      for (r = 0; r < ROWS; r = r + 1)
        for (c = 0; c < COLUMNS; c = c + 1)
          weight[r * COLUMNS + c] = weight[r * COLUMNS + c] + x[r] * e[c];
    end
    shift = SUM_BITS / 2;
    put(MVM_SHIFT, shift);
    put(MTVM_SHIFT, shift);
    multiply;
    run(CRS, 0);
    for (r = 0; r < ROWS; r = r + 1) begin
      run(READ, r);
      put(CELL_COLUMN, 0);
      for (c = 0; c < COLUMNS; c = c + 1) begin
        cells = 0;
        for (k = 0; k < CELL_REGISTERS; k = k + 1) begin
          get(CELLS_FIRST + 4 * k);
          cells[32*k +: 32] = read;
        end
        from = 0;
        got = 0;
        for (k = 0; k < SLICES; k = k + 1) begin
          for (b = 0; b < 32; b = b + 1)
            one[b] = cells[from + (b < bits_of(k) ? b : bits_of(k) - 1)];
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

  // long enough for any unit: nothing may hang
  initial begin
    #(10.0 * (10000 + 4000 * LINES + 200.0 * ROWS * COLUMNS));
    $fatal(1, "the test does not end");
  end
endmodule
