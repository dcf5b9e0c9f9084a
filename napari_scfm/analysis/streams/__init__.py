"""Streamlines of a field: the grid, the lines, and their shapes as ribbons."""
