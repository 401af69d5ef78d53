"""The contract everything else reads: parameters, presets, number formats. Standard library only."""
