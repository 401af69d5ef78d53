        vset    m0.opa_rows, 3, 4       ; W += x e^T with x = 3 3 3 3
        vset    m0.opa_columns, 5, 2    ;           and  e = 5 5
        mcu     m0:opa                  ; goes on in the background
        vset    m0.mvm_in, 2, 4
        mcu     m0:mvm                  ; waits for the outer product
        vi.max  r0, m0.mvm_out, 0, 4    ; waits for the result
        hlt
