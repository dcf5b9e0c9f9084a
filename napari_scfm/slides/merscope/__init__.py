"""MERSCOPE regions: tables, boundaries as parquet or hdf5, and mosaics."""
