; y = W x: rows driven, columns read.

        mcfg m0, columns, 3
        mcfg m0, mvm_shift, 2
        vset m0.mvm_in, 0, 16           ; all rows are driven, in use or not
        vset m0.mvm_in, 3, 1
        vset m0.mvm_in + 1, -2, 1
        mcu m0:mvm
        v.mov r0, m0.mvm_out, 3         ; waits for the unit
        csrr s1, m0.requantise
        hlt
