"""The step Clusters: classes of all cells of a slide, and what sets them apart."""
