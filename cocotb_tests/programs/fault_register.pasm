; XbarOut can only be read.

        vset r0, 3, 4
        v.mov m0.mvm_out, r0, 4
        hlt
