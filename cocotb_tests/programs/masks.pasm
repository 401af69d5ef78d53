; Several units at once: each goes on by itself, and whoever touches what is in use waits.

        vset m0.mvm_in, 2, 16
        vset m0.mtvm_in, 3, 16
        vset m1.mvm_in, 4, 16
        vset m2.mtvm_in, 1, 16
        vset m2.opa_rows, 1, 16
        vset m2.opa_columns, -1, 16
        mcfg m0, columns, 4
        mcfg m0, rows, 2
        mcu m0:mvm+mtvm, m1:mvm, m2:opa
        v.mov r0, m2.opa_rows, 4        ; XbarIn can always be read,
        vset m2.opa_rows, 5, 1          ; but written after the outer product only
        v.mov r4, m0.mvm_out, 4
        vset m0.mvm_in, 7, 1            ; the MVM is over, the MTVM still going on
        v.mov r8, m0.mtvm_out, 2
        crs m0, m2
        v.mov r12, m1.mvm_out, 16
        mcu m0:mvm
        mcu m0:mvm, m2:mtvm             ; waits for the carry resolution of m2
        hlt
