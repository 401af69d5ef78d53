; Trains an MLP 64-32-10 on digits, one example at a time: stochastic gradient descent with a carry
; resolution every few outer products, all of it in this program.
;
; The host puts the examples into memory, RECORD words each: the pixels (Q5.10), then the class. At
; PARAMETERS it puts the number of epochs, of examples, and of outer products between two carry
; resolutions. The cells hold the first weights.

        .equ PARAMETERS, 32752

        .include "digits_network.inc"

        sset    s1, PARAMETERS
        ld      label, s1, 0, 3
        vr.sum  s2, label, 1            ; epochs
        vr.sum  s3, label + 1, 1        ; examples
        vr.sum  s4, label + 2, 1        ; outer products between two carry resolutions
        sadd    s7, s4, 0               ; outer products left

        loops   s2, epochs_done
        sset    s8, 0                   ; the example's address
        loops   s3, epoch_done

        .include "digits_example.inc"
        mcu     m0:opa, m1:opa

        sadd    s7, s7, -1
        br.ne   s7, s0, next
        crs     m0, m1
        sadd    s7, s4, 0
next:   sadd    s8, s8, RECORD
epoch_done:
epochs_done:
        hlt
