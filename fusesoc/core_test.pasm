; Outer products, carry resolution and both products on units 0 and 1; core_test.sv knows what has
; to be in memory in the end. Unit 1 holds the transpose of unit 0's weights.
        .equ n, 16
        .equ x, 0                       ; addresses in memory, n words each
        .equ e, 16
        .equ forward, 32
        .equ backward, 48
        .equ results, 64                ; of MVM, its ReLU, of MTVM, of unit 1's MVM, scaled

        sset    s1, 0
        mcfg    m0, mvm_shift, 8
        mcfg    m0, mtvm_shift, 8
        mcfg    m1, mvm_shift, 8
        ld      m0.opa_rows, s1, x, n
        ld      m0.opa_columns, s1, e, n
        ld      m1.opa_rows, s1, e, n
        ld      m1.opa_columns, s1, x, n
        loop    3, added
        mcu     m0:opa, m1:opa
        crs     m0, m1
added:  ld      m0.mvm_in, s1, forward, n
        ld      m0.mtvm_in, s1, backward, n
        ld      m1.mvm_in, s1, backward, n
        mcu     m0:mvm+mtvm, m1:mvm
        vi.max  r0, m0.mvm_out, 0, n
        st      m0.mvm_out, s1, results, n, plain
        st      r0, s1, results + n, n, plain
        st      m0.mtvm_out, s1, results + 2 * n, n, plain
        st      m1.mvm_out, s1, results + 3 * n, n, plain
        sset    s2, 7
        v.add   r16, m0.mvm_out, r0, n
        vs.mul  r32, r16, s2, n, 3
        st      r32, s1, results + 4 * n, n, plain
        hlt
