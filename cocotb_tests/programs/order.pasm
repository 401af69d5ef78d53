; A unit asked for everything at once does MVM, MTVM, OPA in this order: the products are of the
; weights before the update.

        vset m0.mvm_in, 0, 16
        vset m0.mtvm_in, 0, 16
        vset m0.opa_rows, 0, 16
        vset m0.opa_columns, 0, 16
        vset m0.mvm_in, 2, 1
        vset m0.mtvm_in, 3, 1
        vset m0.opa_rows, 4, 1
        vset m0.opa_columns, 5, 1
        mcu m0:mvm+mtvm+opa
        v.mov r0, m0.mvm_out, 1
        v.mov r1, m0.mtvm_out, 1
        mcu m0:mvm                      ; XbarIn is preserved
        v.mov r2, m0.mvm_out, 1
        hlt
