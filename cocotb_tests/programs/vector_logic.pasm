; Logic on the bits of words: vectors, a scalar register, an immediate.

        .equ a, r0                      ; 0x0ff0 and its complement
        .equ b, r2                      ; 0x3333 twice

        vset a, 0x0ff0, 1
        vset a + 1, -0x0ff1, 1
        vset b, 0x3333, 2

        v.and r8, a, b, 2
        v.or r10, a, b, 2
        v.andn r12, a, b, 2
        sset s1, 0x7fff00ff             ; its low 16 bits count
        vs.and r14, a, s1, 2
        vs.or r16, a, s1, 2
        vs.andn r18, a, s1, 2
        vi.and r20, a, -16, 2           ; immediates have 13 bits, signed
        vi.or r22, a, -16, 2
        vi.andn r24, a, -16, 2
        hlt
