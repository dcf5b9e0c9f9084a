"""Contracts, the hub that finds and loads models, CellPLM and the baselines."""
