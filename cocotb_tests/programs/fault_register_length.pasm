; A vector must not leave its bank: m0.mvm_in has 16 words, though the next bank begins at 128.

        vset m0.mvm_in + 8, 1, 8
        vset m0.mvm_in + 8, 2, 9
        hlt
