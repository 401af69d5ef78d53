; Trains the network of digits.pasm in mini-batches on one array (PANTHER, section 4, V2): the
; operands of a batch's outer products are kept in memory while the weights are read, and applied, in
; the order of the examples, at its end.
;
; Memory holds the examples as in digits.pasm, then from PAIRS on room for a batch: of each example
; the hidden layer's output and the updates of both layers. At PARAMETERS the host puts the number of
; epochs, of batches, of examples in a batch, and of outer products between two carry resolutions.
; The learning rate is that of digits.pasm for the sum over the batch.

        .equ PARAMETERS, 32752
        .equ PAIRS, 31232

        .include "digits_network.inc"

        .equ PAIR, 80                   ; words of an example: 32, 32 and 10, whole groups
        .equ HIDDEN_UPDATE, 32
        .equ UPDATE, 64

        sset    s1, PARAMETERS
        ld      label, s1, 0, 4
        vr.sum  s2, label, 1            ; epochs
        vr.sum  s3, label + 1, 1        ; batches
        vr.sum  s12, label + 2, 1       ; examples of a batch
        vr.sum  s4, label + 3, 1        ; outer products between two carry resolutions
        sadd    s7, s4, 0               ; outer products left

        loops   s2, epochs_done
        sset    s8, 0                   ; the example's address
        loops   s3, epoch_done

        sadd    s13, s8, 0              ; the batch's first example
        sset    s14, PAIRS
        loops   s12, batch_read
        .include "digits_example.inc"
        st      m1.opa_rows, s14, 0, HIDDEN, plain
        st      m0.opa_columns, s14, HIDDEN_UPDATE, HIDDEN, plain
        st      m1.opa_columns, s14, UPDATE, CLASSES, plain
        sadd    s14, s14, PAIR
        sadd    s8, s8, RECORD
batch_read:

        sset    s14, PAIRS
        loops   s12, batch_done
        ld      m0.opa_rows, s13, 0, INPUTS
        ld      m1.opa_rows, s14, 0, HIDDEN
        ld      m0.opa_columns, s14, HIDDEN_UPDATE, HIDDEN
        ld      m1.opa_columns, s14, UPDATE, CLASSES
        mcu     m0:opa, m1:opa
        sadd    s7, s7, -1
        br.ne   s7, s0, next
        crs     m0, m1
        sadd    s7, s4, 0
next:   sadd    s13, s13, RECORD
        sadd    s14, s14, PAIR
batch_done:
epoch_done:
epochs_done:
        hlt
