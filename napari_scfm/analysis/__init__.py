"""Metrics, clusters, embedding, attention fields and streamlines."""
