"""CellPLM (Wen et al., ICLR 2024), written anew from its description."""
