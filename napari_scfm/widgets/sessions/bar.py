"""The bar of the workbench that saves and opens sessions, and offers an autosave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_scfm.errors import ScfmError
from napari_scfm.viewer.sessions.autosave import Offer, autosave_path, enabled, offered
from napari_scfm.viewer.sessions.file import (
    SUFFIX,
    DeskRecord,
    Place,
    SessionError,
    with_suffix,
)
from napari_scfm.viewer.sessions.restore import can_open, read_scene, show_scene
from napari_scfm.viewer.sessions.result import result_folder
from napari_scfm.viewer.sessions.save import write_scene
from napari_scfm.viewer.sessions.scene import DESK, Desk, take
from napari_scfm.widgets.sessions import dialogs
from napari_scfm.widgets.sessions.autosave import Autosave
from napari_scfm.widgets.sessions.drop import DropCatcher
from napari_scfm.widgets.step import button, row

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_scfm.viewer.sessions.scene import Scene
    from napari_scfm.widgets.workbench import Workbench


class SessionBar(QWidget):
    """Open session, Save session, and one line when there is an autosave.

    Attributes
    ----------
    path
        Where the session was last saved to or opened from, or None.
    autosave
        Keeps the autosave up to date.
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._bench, self._session = bench, bench.context.session
        self.path: Path | None = None
        self._offer: Offer | None = None
        self._opening = False
        self._asker = dialogs.Asker(self)
        self.autosave = Autosave(bench.context, self)
        self._drops = DropCatcher(self)
        self.line = QLabel()
        self.line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.reopen = button("Reopen", self.reopen_offer, "Open the autosaved session")
        self.dismiss = QToolButton()
        self.dismiss.setText("✕")
        self.dismiss.setAutoRaise(True)
        self.dismiss.setToolTip("Leave it; it stays on disk until there is a newer one")
        self.dismiss.clicked.connect(lambda *_: self._show_offer(None))
        self.open = button("Open session…", self.ask_open, "Bring back a saved session")
        self.save = button(
            "Save session…",
            self.ask_save,
            "Slide, view, masks, model and results, to open them again",
            "save_session",
        )
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.offer = QWidget()
        line = row(self.line, self.reopen, self.dismiss)
        line.setStretch(0, 1)
        self.offer.setLayout(line)
        layout.addWidget(self.offer)
        layout.addLayout(row(self.open, self.save))
        self.offer.hide()

    def _connect(self) -> None:
        context, session = self._bench.context, self._session
        session.parts["save session"] = self.save_again
        session.parts[DESK] = Desk(self._read_desk, self._show_desk)
        context.listen(session.events.slide, self._on_slide)
        autosave = self.autosave

        def let_go() -> None:
            session.parts.pop("save session", None)
            session.parts.pop(DESK, None)
            autosave.close()

        self.destroyed.connect(let_go)
        self._on_slide()

    def showEvent(self, event: QShowEvent) -> None:
        """Look at drops on the window that the dock is in now."""
        super().showEvent(event)
        self._drops.watch()

    def _read_desk(self) -> DeskRecord:
        who = self._bench.compare.who
        return DeskRecord(
            open=tuple(x.title for x in self._bench.steps if x.isExpanded()),
            models=tuple(name for name, box in who.models.items() if box.isChecked()),
            baselines=tuple(n for n, box in who.baselines.items() if box.isChecked()),
            draws=int(who.draws.currentData()),
            reference=Place(absolute=path) if (path := who.reference.path) else None,
        )

    def _show_desk(self, desk: DeskRecord) -> None:
        for step in self._bench.steps:
            opened = step.title in desk.open
            step.expand(animate=False) if opened else step.collapse(animate=False)
        who = self._bench.compare.who
        for boxes, ticked in (
            (who.models, desk.models),
            (who.baselines, desk.baselines),
        ):
            for name, box in boxes.items():
                box.setChecked(name in ticked)
        who.draws.setCurrentIndex(max(who.draws.findData(desk.draws), 0))
        place = desk.reference
        who.reference.show_path("" if place is None else place.absolute)

    def _on_slide(self) -> None:
        slide = self._session.slide
        self.save.setEnabled(slide is not None)
        if not self._opening:
            self.path = None
            offer = None if slide is None or not enabled() else offered(slide)
            self._show_offer(offer)

    def _show_offer(self, offer: Offer | None) -> None:
        mine = offer is not None and offer.path in self.autosave.mine
        self._offer = None if mine else offer
        if self._offer is not None:
            self.line.setText(self._offer.text)
            self.line.setToolTip(self._offer.more)
        self.offer.setVisible(self._offer is not None)

    def reopen_offer(self) -> None:
        """Open the autosaved session that is on offer."""
        if self._offer is not None:
            self.open_path(self._offer.path)

    def ask_open(self) -> None:
        """Ask for a session and open it."""
        path = dialogs.ask_open(self, self.path)
        if path is not None:
            self.open_path(path)

    def open_any(self, path: str | Path) -> None:
        """Open what was dropped: a session, a saved result, or a slide."""
        if can_open(path):
            self.open_path(path)
        else:
            self._bench.slide.open_path(path)

    def open_path(self, path: str | Path) -> None:
        """Read a session or a saved result in the background, then show it."""
        path, ask, slide = Path(path), self._asker.ask, self._session.slide

        def work(progress: Any) -> Scene:
            return read_scene(
                path,
                lambda wanted: ask(dialogs.ask_slide, self, wanted),
                lambda problems: ask(dialogs.ask_rest, self, problems),
                progress,
                slide,
            )

        self._bench.jobs.run(
            f"Opening {path.name}", work, lambda scene: self.take_over(path, scene)
        )

    def take_over(self, path: str | Path, scene: Scene) -> None:
        """Show what was read of a session or a saved result."""
        path, before = Path(path), self._session.slide
        self._opening = True
        try:
            show_scene(self._bench.context.viewer, scene)
        finally:
            self._opening = False
        session = self._session
        automatic = path.resolve() == autosave_path(session.slide)
        whole = result_folder(path) is None
        if whole or session.slide is not before:
            self.path = path if whole and not automatic else None
        self._offer_newer(path, automatic)
        if whole:
            adopted = [path.resolve()] if automatic else []
            QTimer.singleShot(0, lambda: self.autosave.settled(*adopted))
        kind = "The session" if whole else "The result"
        session.say(f"{kind} {path.name} is open: {session.fov.name}.")

    def _offer_newer(self, path: Path, automatic: bool) -> None:
        """Offer an autosave only if it is newer than what was opened."""
        slide = self._session.slide
        if automatic or not enabled():
            self._show_offer(None)
        else:
            self._show_offer(offered(slide, newer_than=path.stat().st_mtime))

    def ask_save(self) -> None:
        """Ask where to save the session and save it there."""
        if not self._bench.context.attempt(self._need_slide):
            return
        path = dialogs.ask_save(self, self.path or self._suggestion())
        if path is not None:
            self.save_as(path)

    def save_again(self) -> None:
        """Save the session where it was saved before; ask where it was not."""
        if self.path is None:
            self.ask_save()
        else:
            self.save_as(self.path)

    def _need_slide(self) -> None:
        if self._session.slide is None:
            raise SessionError(
                "No slide is open, so there is no session to save.",
                "Open a slide first.",
            )

    def _suggestion(self) -> Path:
        slide = self._session.slide
        return slide.path.resolve().parent / f"{slide.name}{SUFFIX}"

    def save_as(self, path: str | Path) -> None:
        """Save the session in the background; a job may be under way meanwhile."""
        path = with_suffix(path)
        scene = take(self._bench.context.viewer)
        self.autosave.settled()

        def work() -> str:
            try:
                write_scene(scene, path)
            except ScfmError as error:
                return str(error)
            return ""

        worker = create_worker(work, _ignore_errors=True)
        worker.returned.connect(lambda failed: self._saved(path, scene, failed))
        self._worker = worker  # it would be gone with this function
        worker.start()

    def _saved(self, path: Path, scene: Scene, failed: str) -> None:
        self._worker = None
        if failed:
            self.autosave.changed()
            self._session.say(failed, "error")
            return
        self.path = path
        self.autosave.saved(scene.slide)
        self._session.say(f"The session is saved in {path}.")
