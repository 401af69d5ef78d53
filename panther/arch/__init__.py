"""The contract everything else reads: parameters, presets, formats. Standard library only."""
