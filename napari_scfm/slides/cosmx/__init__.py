"""CosMx slides: legacy flat files and AtoMx exports."""
