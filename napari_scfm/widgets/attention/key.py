"""Key: what the colours of the streams mean, under the choice of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_scfm.figures.palette import rgb
from napari_scfm.figures.stream_colours import (
    GREY,
    GREY_ON_PAPER,
    NOBODY,
    RAW,
    RAW_ON_PAPER,
    strength_colours,
)

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_scfm.viewer.session import Stream

CHANCE = "does not beat chance"
MOST = 12
"""Kinds that are named; the others are counted."""


class StreamKey(QWidget):
    """A ramp of strengths or the kinds that send, and what grey means."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[tuple[str, QColor]] = []
        self._ramp: list[QColor] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def names(self) -> list[str]:
        """What is named."""
        return [name for name, _ in self._entries]

    def show_stream(self, stream: Stream | None, *, paper: bool = False) -> None:
        """Explain the colours of a stream; of none, take no room."""
        self._ramp, self._entries = [], []
        if stream is not None and stream.lines:
            self._read(stream, paper)
        self._fit()
        self.update()

    def _read(self, stream: Stream, paper: bool) -> None:
        if stream.look.raw:
            raw = RAW_ON_PAPER if paper else RAW
            self._entries = [("raw: mostly geometry, not tested", QColor(raw))]
            return
        beats = np.concatenate(stream.beats)
        if stream.look.colour == "sender":
            self._entries = senders(stream, beats)
        elif beats.any():
            steps = strength_colours(np.linspace(0, 1, 8), paper=paper)
            self._ramp = [QColor.fromRgbF(*map(float, one)) for one in steps]
        if not beats.all():
            grey = GREY_ON_PAPER if paper else GREY
            self._entries = [*self._entries, (CHANCE, QColor(grey))]

    def _line(self) -> int:
        return int(self.fontMetrics().height()) + 3

    def _places(self) -> list[tuple[int, int]]:
        """Return where entries begin (x, line), each after the one before it."""
        x, line, places = 0, 1 if self._ramp else 0, []
        for name, _ in self._entries:
            wide = self.fontMetrics().horizontalAdvance(name) + self._line() + 10
            if x and x + wide > self.width():
                x, line = 0, line + 1
            places.append((x, line))
            x += wide
        return places

    def _fit(self) -> None:
        places = self._places()
        lines = places[-1][1] + 1 if places else int(bool(self._ramp))
        self.setVisible(lines > 0)
        self.setFixedHeight(lines * self._line())

    def resizeEvent(self, event: object) -> None:
        """Break the entries into lines that fit."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw ramp, colours and names."""
        painter, line = QPainter(self), self._line()
        painter.setPen(self.palette().windowText().color())
        if self._ramp:
            self._paint_ramp(painter, line)
        middle = Qt.AlignmentFlag.AlignVCenter
        side = line * 0.6
        for (name, colour), (x, row) in zip(self._entries, self._places(), strict=True):
            top = row * line
            painter.fillRect(QRectF(x, top + (line - side) / 2, side, side), colour)
            box = QRectF(x + line * 0.85, top, self.width() - x, line)
            painter.drawText(box, middle, name)
        painter.end()

    def _paint_ramp(self, painter: QPainter, line: int) -> None:
        metrics, middle = self.fontMetrics(), Qt.AlignmentFlag.AlignVCenter
        left = metrics.horizontalAdvance("weak") + 6
        right = metrics.horizontalAdvance("strong") + 6
        wide = self.width()
        bar = QRectF(left, line * 0.25, max(wide - left - right, 1), line * 0.5)
        ramp = QLinearGradient(bar.topLeft(), bar.topRight())
        for place, colour in enumerate(self._ramp):
            ramp.setColorAt(place / (len(self._ramp) - 1), colour)
        painter.fillRect(bar, ramp)
        painter.drawText(QRectF(0, 0, left, line), middle, "weak")
        end = QRectF(wide - right, 0, right, line)
        painter.drawText(end, middle | Qt.AlignmentFlag.AlignRight, "strong")


def senders(stream: Stream, beats: np.ndarray) -> list[tuple[str, QColor]]:
    """Return name and colour of the kinds that streams are coloured by."""
    who = np.concatenate(stream.sender)[beats]
    kinds, counts = np.unique(who, return_counts=True)
    order = kinds[np.argsort(-counts, kind="stable")]
    known = [int(kind) for kind in order if kind >= 0]
    found = [
        (stream.kinds[kind], QColor.fromRgbF(*map(float, stream.palette[kind][:3])))
        for kind in known[:MOST]
    ]
    nobody = QColor.fromRgbF(*map(float, rgb((NOBODY,))[0]))
    if len(known) > MOST:
        found.append((f"{len(known) - MOST} more", QColor(0, 0, 0, 0)))
    if (kinds < 0).any():
        found.append(("no kind beyond its share", nobody))
    return found
