; Comparisons, and what masks are for; v.satg drops gradients that push outward.

        .equ a, r0                      ; 5 -3 0 7 -8 2
        .equ b, r8                      ; 5 -4 1 6 32767 -32768

        ld a, s0, 0, 6
        ld b, s0, 8, 6

        v.cgt r16, a, b, 6
        v.ceq r24, a, b, 6
        sset s1, -3
        vs.cgt r32, a, s1, 6
        vs.ceq r40, a, s1, 6
        vi.cgt r48, a, 0, 6
        vi.ceq r56, a, 0, 6

        v.and r64, a, r48, 6            ; the ReLU by a mask
        v.satg r72, a, b, 6
        hlt
