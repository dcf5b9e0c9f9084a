"""Gene identity: symbol and Ensembl id, human and mouse, panel coverage of a model."""
