; One text for all units of two tiles, each starts at its own label; node_test.sv knows what comes
; out. Tile 0 multiplies, its results travel to tile 1, which makes negative ones 0.
        .equ ROWS, 12                   ; of the node's units
        .equ COLUMNS, 8
        .equ TIMES, 3                   ; outer products
        .equ SHIFT, 33                  ; of sums
        .equ X_AT, 0                    ; addresses in the tiles' memories, ROWS or COLUMNS words
        .equ E_AT, 16
        .equ FORWARD_AT, 32
        .equ RESULTS_AT, 48
        .equ RECTIFIED_AT, 64

multiply:
        sset    s1, 0
        mcfg    m0, mvm_shift, SHIFT
        ld      m0.opa_rows, s1, X_AT, ROWS
        ld      m0.opa_columns, s1, E_AT, COLUMNS
        loop    TIMES, added
        mcu     m0:opa
        crs     m0
added:  ld      m0.mvm_in, s1, FORWARD_AT, ROWS
        mcu     m0:mvm
        st      m0.mvm_out, s1, RESULTS_AT, COLUMNS, send_unit
        hlt

out:    sset    s1, 0
        send    s1, RESULTS_AT, COLUMNS, 1, 0
        hlt

in:     sset    s1, 0
        recv    s1, RESULTS_AT, COLUMNS, 0, core0
        hlt

rectify:
        sset    s1, 0
        ld      r0, s1, RESULTS_AT, COLUMNS, take
        vi.max  r0, r0, 0, COLUMNS
        st      r0, s1, RECTIFIED_AT, COLUMNS, plain
        hlt
