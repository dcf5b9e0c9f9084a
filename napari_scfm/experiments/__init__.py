"""Masking experiments: spec, run, result."""
