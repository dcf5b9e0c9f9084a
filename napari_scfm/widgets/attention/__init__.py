"""Step 7 and what it is made of: model attention, and what it is worth."""
