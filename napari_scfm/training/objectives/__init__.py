"""What a network learns: one module per objective."""
