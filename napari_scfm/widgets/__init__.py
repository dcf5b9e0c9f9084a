"""Qt and magicgui: the workbench, one step per file."""
