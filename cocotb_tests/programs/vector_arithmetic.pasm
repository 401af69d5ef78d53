; Sums, products, extremes and shifts of vectors; in every row of the .exp what saturates is 32767
; or -32768.

        .equ a, r0                      ; 5 -3 32767 -32768 100
        .equ b, r8                      ; 2 -4 1 -1 100

        ld a, s0, 0, 5
        ld b, s0, 8, 5
        csr saturated, 0

        v.add r16, a, b, 5
        v.sub r24, a, b, 5
        v.mul r32, a, b, 5, 1
        v.mul r40, a, b, 5, 0
        v.max r48, a, b, 5
        v.min r56, a, b, 5
        v.mov r64, a, 5

        sset s1, 0x10003                ; its low 16 bits count: 3
        vs.add r72, a, s1, 5
        vs.sub r80, a, s1, 5
        vs.rsub r88, a, s1, 5
        vs.mul r96, a, s1, 5, 2
        vs.max r104, a, s1, 5
        vs.min r112, a, s1, 5

        vi.add r120, a, -7, 5
        vi.sub r128, a, -7, 5
        vi.rsub r136, a, -7, 5
        vi.mul r144, a, -7, 5, 3
        vi.max r152, a, -7, 5
        vi.min r160, a, -7, 5
        vi.shl r168, a, 5, 2
        vi.shr r176, a, 5, 1
        vset r184, -1234, 5

        csrr s2, saturated
        hlt
