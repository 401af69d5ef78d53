; A vector may be divided where it lies, and shares registers with sources before it.

        vset r0, 100, 6
        vi.div r0, r0, 3, 6, 0          ; 33
        vset r8, 7, 4
        v.add r6, r8, r8, 4             ; begins before its source: every word is read in time
        hlt
