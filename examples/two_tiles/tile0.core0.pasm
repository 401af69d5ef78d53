; Layer 1: 64 inputs, 32 hidden units, in matrix unit m0; the bias is the row after the inputs.

        .include "places.inc"

        .equ mask, r0                   ; which hidden units are not 0
        .equ hidden, r32
        .equ back, r64

        mcfg    m0, rows, INPUTS + 1
        mcfg    m0, columns, HIDDEN
        mcfg    m0, mvm_shift, OUTPUT_SHIFT
        vset    m0.mvm_in + INPUTS, ONE, 1
        vset    m0.opa_rows + INPUTS, ONE, 1
        sset    s1, FORWARD
        sset    s2, RATE
        sset    s3, PERIOD              ; outer products left
        sset    s4, 0                   ; the example's address

        loop    STEPS, done
        ld      m0.mvm_in, s4, 0, INPUTS
        mcu     m0:mvm
        v.mov   m0.opa_rows, m0.mvm_in, INPUTS
        vi.max  hidden, m0.mvm_out, 0, HIDDEN
        st      hidden, s1, 0, HIDDEN, send_unit
        vi.cgt  mask, hidden, 0, HIDDEN
        sadd    s4, s4, INPUTS

        ; what comes back, waiting for it
        ld      back, s1, BACK - FORWARD, HIDDEN, take
        v.and   back, back, mask, HIDDEN
        vs.mul  m0.opa_columns, back, s2, HIDDEN, RATE_SHIFT
        mcu     m0:opa
        sadd    s3, s3, -1
        br.ne   s3, s0, next
        crs     m0
        sset    s3, PERIOD
next:   nop
done:   hlt
