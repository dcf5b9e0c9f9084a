"""What is hidden from a model: genes, cells, entries, strata; set algebra."""
