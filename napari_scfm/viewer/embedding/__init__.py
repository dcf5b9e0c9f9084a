"""The picture of cells in two dimensions: who is in it, where, in which colours."""
