"""Figures of a FOV without OpenGL."""
