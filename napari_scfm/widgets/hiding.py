"""Hiding classes in a legend: what is asked there, a session does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.viewer import hidden

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Session
    from napari_scfm.widgets.legend import LegendView


def serve(view: LegendView, session: Session) -> None:
    """Let the classes of a legend be hidden in a session."""
    before: dict[str, object] = {}

    def answer(name: str, what: str) -> None:
        of = view.legend.of
        if what == "all":
            hidden.show_all(session)
            return
        if what == "toggle":
            for one in ("hidden_classes", "hidden_of", "selection"):
                before[one] = getattr(session, one)
            hidden.toggle(session, name, of)
            return
        if what == "double":  # takes back what its first click did
            session.update(before)
        hidden.isolate(session, name, of)

    view.asked.connect(answer)
    view.serve()
