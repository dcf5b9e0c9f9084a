"""Marker genes of the classes: found in the background, painted by a click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ScfmError, counted
from napari_scfm.viewer.acts import colour_by_gene
from napari_scfm.widgets.neighbourhoods.tables import FilteredTable, small
from napari_scfm.widgets.report.table import Column
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, button, hint

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.progress import ProgressCallback

NUMBER = 10
"""Genes of each class."""

ABOUT = (
    "Genes that are higher in a class than in all other cells of the slide (rank sum "
    "test). Classes come from the same counts: p values rank genes, they do not show "
    "that a class exists."
)


def _fold(value: float) -> str:
    return "–" if value != value else f"{value:+.1f}"


COLUMNS = (
    Column("names", "Gene"),
    Column("group", "Class", str),
    Column("logfoldchanges", "log2", _fold, "log2 fold change, class over the others"),
    Column("pvals_adj", "q", small, "False discovery rate"),
)


class MarkerSection(Section):
    """Find, and a table of what was found."""

    def __init__(self, context: Context) -> None:
        super().__init__("Marker genes")
        self.context, self.session = context, context.session
        self.found: pd.DataFrame | None = None
        self._of: Any = None
        self.find = button(
            "Find marker genes", self.run, "Of each class, on the whole slide"
        )
        self.table = FilteredTable(COLUMNS, "Filter genes")
        self.table.picked.connect(lambda at: context.attempt(self._paint, at))
        self.table.hide()
        self.add(hint(ABOUT), self.find, self.table)
        context.listen(self.session.events.grouping, self._on_grouping)

    def run(self) -> None:
        """Find them in the background."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        grouping, slide = self.session.grouping, self.session.slide
        if grouping is None:
            raise ScfmError("The cells are in no classes yet.", "Press Cluster first.")

        def task(progress: ProgressCallback) -> pd.DataFrame:
            from napari_scfm.analysis.groups.markers import marker_genes

            return marker_genes(slide.table, grouping, n=NUMBER, progress=progress)

        def done(found: pd.DataFrame) -> None:
            if self.session.grouping is not grouping:
                self.session.say("The classes are no longer those that were asked of.")
                return
            self.found, self._of = found, grouping
            self.table.show_frame(_with_tips(found))
            self.table.show()
            number = counted(found["group"].nunique(), "class", "classes")
            self.session.say(f"{NUMBER} marker genes each of {number}.")

        self.context.jobs.run("Finding marker genes", task, done)

    def _paint(self, at: int) -> None:
        colour_by_gene(self.session, str(self.found["names"].iloc[at]))

    def _on_grouping(self, *_: Any) -> None:
        """Forget genes of classes that are no longer there."""
        if self.session.grouping is not self._of:
            self.found = self._of = None
            self.table.hide()


def _with_tips(found: pd.DataFrame) -> pd.DataFrame:
    tips = [
        f"{gene}: in {inside:.0%} of the cells of {name}, {outside:.0%} of the others"
        for gene, name, inside, outside in zip(
            found["names"],
            found["group"],
            found["share_in"],
            found["share_out"],
            strict=True,
        )
    ]
    return found.assign(tip=tips)
