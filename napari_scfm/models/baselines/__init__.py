"""Simple methods that every model is measured against."""
