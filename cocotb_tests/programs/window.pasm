; Windows of a picture of 6 x 6, gathered row by row, also as the operand of a convolution (im2col).

        sset s1, 7                      ; row 1, column 1
        ld2 r0, s1, 0, 3, 3, 6
        sset s2, 64
        ld2 r16, s2, 0, 4, 2, 8, take   ; every other group, if it is for this core

        ld2 m0.mvm_in, s1, 0, 3, 3, 6
        vset m0.mvm_in + 9, 0, 7
        mcfg m0, columns, 2             ; two kernels: all ones, and a horizontal gradient
        mcfg m0, mvm_shift, 0
        mcu m0:mvm
        v.mov r32, m0.mvm_out, 2
        hlt
