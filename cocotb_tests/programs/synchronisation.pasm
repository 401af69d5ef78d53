; Producers and consumers of groups of memory: who takes, who waits, who looks only.

        ld r0, s0, 0, 8, take           ; group 0 is still for core2, group 4 becomes free
        st r0, s0, 4, 4, core0|core1    ; so it can be stored
        ld r8, s0, 4, 4                 ; looks
        ld r12, s0, 4, 4, take          ; takes
        st r0, s0, 8, 6, core3|send_unit ; ends inside a group, which is valid as a whole
        inv s0, 8, 4
        st r0, s0, 12, 1, plain         ; does not wait, and nobody has to take it any more
        st r4, s0, 16, 2                ; nobody has to take it either
        hlt
