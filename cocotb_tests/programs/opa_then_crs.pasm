; As opa.pasm, then the carries are resolved: the weights stay, the cells are canonical.

        mcfg m0, rows, 3
        mcfg m0, columns, 2
        vset m0.opa_rows, 0, 16
        vset m0.opa_rows, 3, 1
        vset m0.opa_rows + 1, -2, 1
        vset m0.opa_rows + 2, 7, 1
        vset m0.opa_columns, 0, 16
        vset m0.opa_columns, 5, 1
        vset m0.opa_columns + 1, -1, 1
        mcu m0:opa
        crs m0                          ; waits for the unit, as the next one does
        csrr s1, m0.cell_limit_0
        csrr s2, m0.crs_top
        hlt
