"""The napari side without Qt: session, cell layers, compare view, streams, tools."""
