"""The picture that a session had on show, drawn again once its slide is there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_scfm.viewer.embedding.picture import PCA, UMAP
from napari_scfm.viewer.embedding.picture_look import PictureLook
from napari_scfm.widgets.embedding.controls import ONE, WHOLE

if TYPE_CHECKING:
    from napari_scfm.widgets.embedding.dock import EmbeddingDock


class Recall:
    """Writes down which picture a dock shows, and draws one that was written down.

    Parameters
    ----------
    dock
        The dock, with all its parts.
    """

    def __init__(self, dock: EmbeddingDock) -> None:
        self.dock, self.session = dock, dock.session
        self._wanted: PictureLook | None = self.session.picture_look
        self._method = ""
        self._soon = QTimer(dock)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._draw)
        events = self.session.events
        dock.context.listen(events.picture_look, self._on_look)
        dock.context.listen(events.busy, self._hurry)
        dock.context.listen(events.embedding, self._on_picture)
        if self.session.embedding is not None:  # of a dock that was closed
            self._wanted = None
        self._hurry()

    def keep(self) -> None:
        """Write down what is on show."""
        shown = self.dock.picture
        if shown is not None and self._wanted is None and not self._method:
            self.session.picture_look = PictureLook.of(shown, self.dock.by)

    def _on_look(self) -> None:
        look, shown = self.session.picture_look, self.dock.picture
        if look is None or (shown and PictureLook.of(shown, self.dock.by) == look):
            return
        self._wanted = look
        self._hurry()

    def _hurry(self, *_: object) -> None:
        if self._wanted is not None and not self.session.busy:
            self._soon.start()

    def _draw(self) -> None:
        look, session, controls = self._wanted, self.session, self.dock.controls
        if look is None or session.fov is None or session.busy:
            return
        self._wanted = None
        at = controls.of.findData(None) if look.counts else 0
        controls.of.setCurrentIndex(at)
        if controls.counts != look.counts:
            return  # there is no model that embeds
        controls.cells.setCurrentText(WHOLE if look.whole else ONE)
        self.dock.by, self._method = look.by, look.method
        self.dock.draw()

    def _on_picture(self) -> None:
        shown, method = self.dock.picture, self._method
        if shown is not None and shown.method == UMAP:
            self._method = ""
            if method == PCA:
                QTimer.singleShot(0, partial(self.dock.show_method, PCA))
                return
        self.keep()
