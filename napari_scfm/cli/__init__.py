"""The command line: ``napari-scfm``; one group of commands per file.

Nothing here computes: a command reads its options, calls the library and writes. The
library is imported inside each command, so that help and usage errors cost nothing.
"""

from napari_scfm.cli.app import main

__all__ = ["main"]
