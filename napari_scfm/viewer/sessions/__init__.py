"""A workbench written down: saved whole, opened whole or not at all."""
