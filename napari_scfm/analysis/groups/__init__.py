"""Groups of a slide's cells: clusters, domains, types, and what is done to them."""
