"""The steps of the workbench, one a file, and the parts only they use."""
