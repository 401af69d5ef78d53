; Division: to nearest, ties away from zero, whatever csr rounding says; 18 cycles a group.

        .equ a, r0                      ; 32767 -32768 5 -1 2 6 -6

        ld a, s0, 0, 7
        csr saturated, 0
        sset s1, -3
        vs.div r8, a, s1, 7, 1
        csr rounding, 1
        vi.div r16, a, 4, 7, 0
        csr rounding, 0
        sset s2, 0x10000                ; here all 32 bits count
        vs.div r24, a, s2, 7, 15
        vi.div r32, a, -1, 7, 0
        csrr s3, saturated
        hlt
