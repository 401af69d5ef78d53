; The functions that read tables, arguments with 10 fraction bits.

        .equ a, r0                      ; 0, 1, -1, 2, 0.5, 1.5, -3, 1/1024

        ld a, s0, 0, 8
        csr saturated, 0
        vi.exp r8, a, 8, 10
        vi.sigmoid r16, a, 8, 10
        vi.tanh r24, a, 8, 10
        vi.log r32, a, 8, 10
        vi.recip r40, a, 8, 10
        csrr s1, saturated
        hlt
