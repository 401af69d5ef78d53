; Hardware loops: nested, of a register's count, with a common end, skipped, left by a jump.

        sset s1, 3
        loop 2, outer                   ; 2 * 3 * 2 = 12 times s10, 6 times s11
        loops s1, outer
        sadd s11, s11, 1
        loop 2, inner
        sadd s10, s10, 1
inner:
        nop                             ; or the innermost loop would share its end, too
outer:

; three loops that end at one address
        loop 2, common
        loop 2, common
        loop 3, common
        sadd s12, s12, 1                ; 12 times
common:

; not at all: a count of 0, and registers that are not positive
        loop 0, none
        sadd s13, s13, 1
none:   loops s0, never
        sadd s13, s13, 1
never:  sset s2, -4
        loops s2, nowhere
        sadd s13, s13, 1
nowhere:

; a jump out of two loops ends both; one inside goes on
        loop 100, far
        loop 100, far
        sadd s14, s14, 1
        jmp inside
        sadd s14, s14, 100
inside: sset s3, 5
        br.eq s14, s3, out
        nop
far:
        sadd s14, s14, 1000             ; nobody comes here
out:
; a jump to a loop's end leaves it as well
        loop 100, last
        sadd s15, s15, 1
        jmp last
        nop
last:
        hlt
