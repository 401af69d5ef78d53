; A unit of 16 rows; it decides when it is idle.

        vset m0.opa_rows, 1, 16
        vset m0.opa_columns, 1, 16
        mcu m0:opa
        mcfg m0, rows, 17
        hlt
