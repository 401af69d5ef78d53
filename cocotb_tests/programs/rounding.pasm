; To nearest, ties up; then stochastically: up with the chance of what is shifted out.

        .equ a, r0                      ; 2 6 -2 -6 1 3
        .equ many, r8                   ; eight times 8: a half when shifted by 4

        ld a, s0, 0, 6
        vset many, 8, 8
        vi.shr r16, a, 6, 2
        vi.mul r24, a, 3, 6, 2
        csr seed, 0x12345678
        csr rounding, 1
        vi.shr r32, many, 8, 4
        vi.mul r40, many, 3, 6, 5       ; 24 / 32 = 0.75; uses up the numbers of 8 words
        csrr s1, seed
        csr rounding, 0
        vi.shr r48, many, 8, 4          ; 0.5, up; the generator rests
        csrr s2, seed
        hlt
