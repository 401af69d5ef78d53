; The result would begin behind the first word of a source, whose other words it would overwrite.

        vset r0, 1, 8
        v.add r0, r4, r1, 4             ; before both sources: fine
        v.add r5, r0, r4, 4             ; one word into the second
        hlt
