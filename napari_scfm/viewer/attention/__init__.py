"""Model attention over the tissue: what is computed, drawn, asked and pointed at."""
