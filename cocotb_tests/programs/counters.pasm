; What a matrix unit counts: results and weights that saturated, cells at the end of their range.

        mcfg m0, rows, 1
        mcfg m0, columns, 2
        vset m0.mvm_in, 32767, 1
        mcu m0:mvm
        csrr s1, m0.requantise          ; waits for the unit
        crs m0
        csrr s2, m0.crs_top
        csrr s3, m0.cell_limit_0
        csrr s4, m0.cell_limit_4
        csrr s5, m0.cell_limit_7
        csrr s6, m0.adc_clip_0
        mcfg m0, clear_counters, 0      ; whatever is written
        csrr s7, m0.requantise
        csrr s8, m0.cell_limit_0
        hlt
