"""The colour bar of a legend of values: its colours, its limits, and if predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QBrush, QImage

from napari_scfm.figures.palette import lut

if TYPE_CHECKING:
    from qtpy.QtGui import QPainter

    from napari_scfm.viewer.session import Legend

_LEFT, _RIGHT = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight


def draw_bar(painter: QPainter, legend: Legend, top: int, wide: int, line: int) -> None:
    """Draw the bar on one line and its limits on the next.

    The lower edge is hatched where what it measures was predicted, not seen.
    """
    colours = (np.asarray(lut(legend.colormap)) * 255).astype(np.uint8)
    strip = np.ascontiguousarray(colours[None])
    image = QImage(strip.data, strip.shape[1], 1, QImage.Format.Format_RGBA8888).copy()
    bar = QRectF(0, top + 2, wide, line - 6)
    painter.drawImage(bar, image)
    if legend.predicted:
        third = bar.height() / 3
        edge = QRectF(bar.left(), bar.bottom() - third, bar.width(), third)
        painter.fillRect(edge, QBrush(Qt.GlobalColor.white, Qt.BrushStyle.BDiagPattern))
    low, high = legend.limits
    box = QRectF(0, top + line, wide, line)
    painter.drawText(box, _LEFT, f"{low:.3g}")
    painter.drawText(box, _RIGHT, f"{high:.3g}")
