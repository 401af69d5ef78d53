; An outer product takes longer than the watchdog lets its operands' writer wait.

        csr watchdog, 10
        mcu m0:opa
        vset m0.opa_rows, 1, 4
        hlt
