; Trains an MLP 64-32-10 on digits, one example at a time: stochastic gradient descent with a carry
; resolution every few outer products, all of it in this program. Layer n lives in matrix unit n;
; its bias is the row after its inputs.
;
; The host puts the examples into memory, RECORD words each: the pixels (Q5.10), then the class. At
; PARAMETERS it puts the number of epochs, of examples, and of outer products between two carry
; resolutions. The cells hold the first weights.

        .equ INPUTS, 64
        .equ HIDDEN, 32
        .equ CLASSES, 10
        .equ RECORD, INPUTS + 1
        .equ PARAMETERS, 32752

        .equ ONE, 1 << 10               ; 1.0 as an activation, Q5.10
        .equ HOT, 1 << 13               ; 1.0 as an error, Q2.13
        .equ OUTPUT_SHIFT, 28           ; fraction bits of a weight
        .equ RATE, -(1 << 14)           ; minus the learning rate 1/32 as RATE >> RATE_SHIFT, and the
        .equ RATE_SHIFT, 14             ; 5 bits from the error's fraction to that of the update

; registers
        .equ classes, r0                ; 0, 1, 2 ... CLASSES - 1
        .equ label, r16
        .equ target, r32                ; HOT for the right class, else 0
        .equ u, r48                     ; exponentials, probabilities, then the error
        .equ mask, r64
        .equ error, r96                 ; of the hidden layer

        mcfg    m0, rows, INPUTS + 1
        mcfg    m0, columns, HIDDEN
        mcfg    m0, mvm_shift, OUTPUT_SHIFT
        mcfg    m0, mtvm_shift, OUTPUT_SHIFT
        mcfg    m1, rows, HIDDEN + 1
        mcfg    m1, columns, CLASSES
        mcfg    m1, mvm_shift, OUTPUT_SHIFT
        mcfg    m1, mtvm_shift, OUTPUT_SHIFT

        ; the rows of the biases are fed with 1.0, and XbarIn is preserved
        vset    m0.mvm_in + INPUTS, ONE, 1
        vset    m0.opa_rows + INPUTS, ONE, 1
        vset    m1.mvm_in + HIDDEN, ONE, 1
        vset    m1.opa_rows + HIDDEN, ONE, 1

        vset    classes, 0, 1
        vi.add  classes + 1, classes, 1, 1
        vi.add  classes + 2, classes, 2, 2
        vi.add  classes + 4, classes, 4, 4
        vi.add  classes + 8, classes, 8, CLASSES - 8

        sset    s1, PARAMETERS
        ld      label, s1, 0, 3
        vr.sum  s2, label, 1            ; epochs
        vr.sum  s3, label + 1, 1        ; examples
        vr.sum  s4, label + 2, 1        ; outer products between two carry resolutions
        sset    s5, RATE
        sset    s6, HOT
        sadd    s7, s4, 0               ; outer products left

        loops   s2, epochs_done
        sset    s8, 0                   ; the example's address
        loops   s3, epoch_done

        ; forward
        ld      m0.mvm_in, s8, 0, INPUTS
        mcu     m0:mvm
        v.mov   m0.opa_rows, m0.mvm_in, INPUTS
        ld      label, s8, INPUTS, 1
        vr.sum  s9, label, 1
        vs.ceq  target, classes, s9, CLASSES
        vs.and  target, target, s6, CLASSES
        vi.max  m1.mvm_in, m0.mvm_out, 0, HIDDEN
        mcu     m1:mvm
        v.mov   m1.opa_rows, m1.mvm_in, HIDDEN
        vi.cgt  mask, m1.mvm_in, 0, HIDDEN

        ; the gradient of softmax and cross-entropy: probability minus target
        vr.max  s10, m1.mvm_out, CLASSES
        vs.rsub u, m1.mvm_out, s10, CLASSES
        vi.exp  u, u, CLASSES, 10
        vr.sum  s11, u, CLASSES
        vs.div  u, u, s11, CLASSES, 13
        v.sub   u, u, target, CLASSES
        v.satg  m1.mtvm_in, u, m1.mvm_out, CLASSES

        ; backward, before the weights change
        mcu     m1:mtvm
        vs.mul  m1.opa_columns, m1.mtvm_in, s5, CLASSES, RATE_SHIFT
        v.and   error, m1.mtvm_out, mask, HIDDEN
        vs.mul  m0.opa_columns, error, s5, HIDDEN, RATE_SHIFT
        mcu     m0:opa, m1:opa

        sadd    s7, s7, -1
        br.ne   s7, s0, next
        crs     m0, m1
        sadd    s7, s4, 0
next:   sadd    s8, s8, RECORD
epoch_done:
epochs_done:
        hlt
