; The transposed product, for errors going backward: columns driven, rows read.

        mcfg m0, rows, 3
        mcfg m0, mtvm_shift, 4
        vset m0.mtvm_in, 0, 16
        vset m0.mtvm_in, 100, 1
        vset m0.mtvm_in + 1, -50, 1
        vset m0.mtvm_in + 2, 2, 1
        mcu m0:mtvm
        v.mov r0, m0.mtvm_out, 3
        hlt
