; Lines in use and shifts; results behind the lines in use stay what they were.

        vset m0.mvm_in, 1, 16
        mcu m0:mvm
        mcfg m0, columns, 2             ; waits for the unit
        mcfg m0, mvm_shift, 1
        vset m0.mvm_in, 10, 16
        mcu m0:mvm
        mcfg m0, rows, 3
        mcfg m0, mtvm_shift, 3
        vset m0.mtvm_in, 4, 16
        mcu m0:mtvm
        hlt
