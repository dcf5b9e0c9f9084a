"""``python -m napari_scfm``: the same as the command ``napari-scfm``."""

from napari_scfm.cli import main

main()
