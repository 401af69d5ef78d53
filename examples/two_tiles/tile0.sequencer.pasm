; Tile 0: activations out, errors in.

        .include "places.inc"

        sset    s1, FORWARD
        loop    STEPS, done
        send    s1, 0, HIDDEN, 1, 0
        recv    s1, BACK - FORWARD, HIDDEN, 0, core0
done:   hlt
