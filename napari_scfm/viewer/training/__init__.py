"""Training from the window: what users meet, the run, trained models."""
