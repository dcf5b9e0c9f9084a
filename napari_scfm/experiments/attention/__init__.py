"""Attention of whole tables: runs, checks, files, and ligand-receptor pairs."""
