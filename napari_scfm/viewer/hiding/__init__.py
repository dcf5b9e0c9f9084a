"""Selecting cells and hiding things from a model, as acts on the session."""
