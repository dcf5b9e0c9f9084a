"""Attention as fields over the tissue, and what chance would show."""
