; W += x e^T without carries between slices: digits of 4 bits add up in the headroom of the cells.

        vset m0.opa_rows, 0, 16
        vset m0.opa_rows, 3, 1
        vset m0.opa_rows + 1, -2, 1
        vset m0.opa_rows + 2, 7, 1
        vset m0.opa_columns, 0, 16
        vset m0.opa_columns, 5, 1
        vset m0.opa_columns + 1, -1, 1
        mcu m0:opa
        hlt                             ; waits for the unit
