; Eager units read the weights of the last carry resolution, whatever outer products have added since.

        mcfg m0, eager, 1
        vset m0.mvm_in, 1, 16
        vset m0.mtvm_in, 1, 16
        vset m0.opa_rows, 1, 16
        vset m0.opa_columns, 1, 16
        mcu m0:opa
        mcu m0:mvm+mtvm
        v.mov r0, m0.mvm_out, 16
        v.mov r16, m0.mtvm_out, 16
        crs m0
        mcu m0:mvm+mtvm
        csrr s1, m0.eager               ; waits for the unit
        hlt
