"""Objectives and one loop: how models learn from a slide."""
