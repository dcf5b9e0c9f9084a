"""The embedding dock: cells by what a model holds alike, beside the tissue."""
