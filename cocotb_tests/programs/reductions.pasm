; Greatest word and sum of vectors.

        vset r0, 32767, 200
        vr.sum s1, r0, 200              ; 32 bits: more than any word
        vset r0, -32768, 200
        vr.sum s2, r0, 200
        vr.max s3, r0, 200
        vset r199, 5, 1                 ; the last word counts,
        vset r200, 99, 1                ; the one behind it does not
        vr.max s4, r0, 200
        vr.sum s5, r196, 4
        vr.max s6, r199, 2
        vr.sum s7, r200, 1
        hlt
