; Layer 2: 32 hidden units, 10 classes, in matrix unit m0; the bias is the row after the inputs. Then
; softmax and cross-entropy.

        .include "places.inc"

        .equ classes, r0                ; 0, 1, 2 ... CLASSES - 1
        .equ label, r16
        .equ target, r32                ; HOT for the right class, else 0
        .equ u, r48                     ; exponentials, probabilities, then the error

        mcfg    m0, rows, HIDDEN + 1
        mcfg    m0, columns, CLASSES
        mcfg    m0, mvm_shift, OUTPUT_SHIFT
        mcfg    m0, mtvm_shift, OUTPUT_SHIFT
        vset    m0.mvm_in + HIDDEN, ONE, 1
        vset    m0.opa_rows + HIDDEN, ONE, 1
        vset    classes, 0, 1
        vi.add  classes + 1, classes, 1, 1
        vi.add  classes + 2, classes, 2, 2
        vi.add  classes + 4, classes, 4, 4
        vi.add  classes + 8, classes, 8, CLASSES - 8
        sset    s1, FORWARD
        sset    s2, RATE
        sset    s3, PERIOD              ; outer products left
        sset    s4, 0                   ; the class's address
        sset    s5, HOT

        loop    STEPS, done
        ld      label, s4, 0, 1
        vr.sum  s6, label, 1
        vs.ceq  target, classes, s6, CLASSES
        vs.and  target, target, s5, CLASSES
        sadd    s4, s4, 1

        ; forward, as soon as the activations have come
        ld      m0.mvm_in, s1, 0, HIDDEN, take
        mcu     m0:mvm
        v.mov   m0.opa_rows, m0.mvm_in, HIDDEN

        ; the gradient of softmax and cross-entropy: probability minus target
        vr.max  s7, m0.mvm_out, CLASSES
        vs.rsub u, m0.mvm_out, s7, CLASSES
        vi.exp  u, u, CLASSES, 10
        vr.sum  s8, u, CLASSES
        vs.div  u, u, s8, CLASSES, 13
        v.sub   u, u, target, CLASSES
        v.satg  m0.mtvm_in, u, m0.mvm_out, CLASSES

        ; backward, before the weights change
        mcu     m0:mtvm
        vs.mul  m0.opa_columns, m0.mtvm_in, s2, CLASSES, RATE_SHIFT
        st      m0.mtvm_out, s1, BACK - FORWARD, HIDDEN, send_unit
        mcu     m0:opa
        sadd    s3, s3, -1
        br.ne   s3, s0, next
        crs     m0
        sset    s3, PERIOD
next:   nop
done:   hlt
