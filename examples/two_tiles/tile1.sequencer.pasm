; Tile 1: activations in, errors out.

        .include "places.inc"

        sset    s1, FORWARD
        loop    STEPS, done
        recv    s1, 0, HIDDEN, 0, core0
        send    s1, BACK - FORWARD, HIDDEN, 0, 0
done:   hlt
