"""sct-panel: the sCT network sized to a slide's own genes, and trained on its cells."""
