; Loads and stores that begin and end anywhere in a group of four words.

        sset s1, 2
        ld r0, s1, 1, 6                 ; words 3 to 8: three groups
        ld r8, s1, -2, 4
        st r0, s0, 21, 5, plain         ; words 21 to 25: two groups
        sset s2, 32
        st r8, s2, 0, 4                 ; waits until the group is free, which it is
        ld r16, s2, -12, 6              ; words 20 to 25: the groups are valid as a whole
        hlt
