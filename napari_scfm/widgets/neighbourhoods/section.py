"""Neighbourhoods in the workbench: who lies beside whom, spatial genes, pairs.

Each analysis runs in the background through squidpy. A square of the heat map selects
the cells that lie beside one another, a row of the tables paints its gene.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QWidget

from napari_scfm import keys
from napari_scfm.analysis import neighbourhoods
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.attention.resource import liana_installed, resource_for
from napari_scfm.progress import report
from napari_scfm.viewer.acts import colour_by_gene
from napari_scfm.widgets.neighbourhoods import words
from napari_scfm.widgets.neighbourhoods.asking import (
    CLUSTERS,
    Beside,
    Choice,
    Question,
    choices_of,
    layer_of,
    question,
    selected_words,
)
from napari_scfm.widgets.neighbourhoods.map_view import MapView
from napari_scfm.widgets.neighbourhoods.tables import GENES, PAIRS, FilteredTable
from napari_scfm.widgets.section import Section, seed_box, whole
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

    from napari_scfm.progress import ProgressCallback

WHERE = {False: "This field of view", True: "Whole slide"}
TABLES = "Tables (*.csv *.tsv *.txt);;All files (*)"


class NeighbourhoodSection(Section):
    """Kinds, where, neighbours; the analyses and what they found.

    Parameters
    ----------
    context
        Viewer, session and jobs.
    groupings
        Returns groupings of the whole slide to offer beside the table's columns:
        objects with ``key``, ``labels`` (cells,) and ``names``.
    """

    def __init__(
        self, context: Context, groupings: Callable[[], Iterable[Any]] = tuple
    ) -> None:
        super().__init__("Neighbourhoods")
        self.context, self.session = context, context.session
        self._groupings, self._beside = groupings, Beside()
        self._map_of: Question | None = None
        self._genes_of: Question | None = None
        self._pairs_of: Question | None = None
        self.ranked: pd.DataFrame | None = None
        self.tested: pd.DataFrame | None = None
        self._make_form()
        self._make_results()
        self._make_buttons()
        self.add(hint(words.ABOUT), self.form, row(self.find, self.measure), self.map)
        self.add(self.rank, self.genes_said, self.genes)
        self.add(row(self.liana, self.file), self.pairs_said, self.pairs, self.save)
        events = self.session.events
        context.listen(events.fov, self._on_fov)
        context.listen(events.slide, self._forget)
        context.listen(events.clusters, self.refresh)
        self.refresh()

    def _make_form(self) -> None:
        self.kinds, self.where = narrow(QComboBox(), 10), narrow(QComboBox(), 10)
        self.kinds.setToolTip("Column of the table, or the clusters on show")
        for value, text in WHERE.items():
            self.where.addItem(text, value)
        self.where.setToolTip("Cells of different fields of view are never neighbours")
        self.neighbours = whole(6, 1, 100, "Nearest cells that count as neighbours")
        self.shuffles = whole(1000, 19, 99_999, "More shuffles, steadier numbers")
        self.seed = seed_box()
        self.form = QWidget()
        form = QFormLayout(self.form)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Kinds", self.kinds)
        form.addRow("Cells", self.where)
        form.addRow("Neighbours", self.neighbours)
        form.addRow("Shuffles", self.shuffles)
        form.addRow("Seed", self.seed)

    def _make_results(self) -> None:
        self.map = MapView()
        self.map.picked.connect(lambda pair: self.context.attempt(self._select, pair))
        self.genes = FilteredTable(GENES, "Filter genes")
        self.genes.picked.connect(lambda at: self.context.attempt(self._paint, at))
        self.pairs = FilteredTable(PAIRS, "Filter pairs")
        self.pairs.picked.connect(lambda at: self.context.attempt(self._meet, at))
        self.genes_said, self.pairs_said = hint(), hint()
        self.save = button(
            "Save numbers…", self._save, "Every table that was made, as CSV files"
        )
        for part in (self.map, *self._found()):
            part.hide()

    def _found(self) -> tuple[QWidget, ...]:
        return (self.genes, self.genes_said, self.pairs, self.pairs_said, self.save)

    def _make_buttons(self) -> None:
        self.find = button(
            "Who lies beside whom", self.enrich, "Neighbourhood enrichment, a heat map"
        )
        self.measure = button(
            "Over distance", self.crowd, "Co-occurrence at growing distances"
        )
        self.rank = button(
            "Rank genes by place",
            self.spatial_genes,
            "Moran's I of measured counts, and of predicted ones where there are any",
        )
        self.liana = button(
            "Test LIANA's pairs",
            self.test_pairs,
            "Ligand-receptor pairs of LIANA's consensus, from the installed package",
        )
        self.liana.setVisible(liana_installed())
        self.file = button(
            "Test ligand-receptor pairs…",
            self._choose,
            "A table with the columns ligand and receptor",
        )

    def refresh(self, *_: Any) -> None:
        """Offer the kinds that are known now; the chosen one stays if it is."""
        chosen = self.kinds.currentText()
        self.kinds.clear()
        for choice in choices_of(self.session, self._groupings()):
            self.kinds.addItem(choice.title, choice)
        place = self.kinds.findText(chosen)
        self.kinds.setCurrentIndex(max(place, 0) if self.kinds.count() else -1)
        if place < 0 and self.kinds.count() and self._map_of is not None:
            self._drop_map()

    def choose(self, title: str) -> None:
        """Choose the kinds by their name."""
        self.kinds.setCurrentIndex(self.kinds.findText(title))

    def enrich(self) -> None:
        """Test in the background who lies beside whom."""
        shuffles, seed = self.shuffles.value(), self.seed.value()

        def work(asked: Question, progress: ProgressCallback) -> Any:
            table = asked.table()
            graph = neighbourhoods.spatial_graph(
                table, neighbours=asked.neighbours, progress=progress
            )
            return neighbourhoods.enrichment(
                table,
                asked.kinds(),
                graph=graph,
                permutations=shuffles,
                seed=seed,
                progress=progress,
            )

        def done(asked: Question, made: Any) -> None:
            self._map_of = asked
            self.map.show_enrichment(made)
            self.save.show()
            self.session.say(words.found(made, asked.where))

        self._start("Finding neighbours", work, done)

    def crowd(self) -> None:
        """Measure in the background how kinds crowd around one another."""

        def work(asked: Question, progress: ProgressCallback) -> Any:
            return neighbourhoods.co_occurrence(
                asked.table(), asked.kinds(), progress=progress
            )

        def done(asked: Question, made: Any) -> None:
            self._map_of = asked
            self.map.show_distances(made)
            self.save.show()
            self.session.say(words.measured(made, asked.where))

        self._start("Measuring distances", work, done)

    def spatial_genes(self) -> None:
        """Rank genes in the background by Moran's I."""

        def work(asked: Question, progress: ProgressCallback) -> Any:
            table, layer = layer_of(asked)
            graph = neighbourhoods.spatial_graph(
                table, neighbours=asked.neighbours, progress=progress
            )
            return neighbourhoods.moran(
                table, layer=layer, graph=graph, progress=progress
            )

        def done(asked: Question, made: pd.DataFrame) -> None:
            self._genes_of, self.ranked = asked, made.reset_index()
            self.genes.show_frame(words.with_gene_tips(self.ranked))
            self.genes_said.setText(words.ranked(self.ranked, asked.where))
            for part in (self.genes, self.genes_said, self.save):
                part.show()
            self.session.say(words.first_genes(self.ranked, asked.where))

        self._start("Ranking genes by place", work, done, kinds=False)

    def test_pairs(self, path: Path | None = None) -> None:
        """Test the pairs of a file, or of LIANA, in the background."""
        shuffles, seed = self.shuffles.value(), self.seed.value()

        def work(asked: Question, progress: ProgressCallback) -> Any:
            table = asked.table()
            listed = resource_for(table, path)
            return neighbourhoods.ligand_receptor_test(
                table,
                asked.kinds(),
                listed.pairs,
                permutations=shuffles,
                seed=seed,
                progress=progress,
            )

        def done(asked: Question, made: Any) -> None:
            self._pairs_of = asked
            self.tested = words.with_pairs(made.rows)
            self.pairs.show_frame(self.tested)
            self.pairs_said.setText(made.sentence)
            for part in (self.pairs, self.pairs_said, self.save):
                part.show()
            self.session.say(made.sentence)

        self._start("Testing pairs of genes", work, done)

    def _start(
        self,
        title: str,
        work: Callable[[Question, ProgressCallback], Any],
        done: Callable[[Question, Any], None],
        kinds: bool = True,
    ) -> None:
        self.context.attempt(self._ask, title, work, done, kinds)

    def _ask(self, title: str, work: Any, done: Any, kinds: bool) -> None:
        choice: Choice | None = self.kinds.currentData()
        if kinds and self.session.fov is not None and choice is None:
            raise ScfmError(words.NO_KINDS, "Cluster the cells, or name them, first.")
        everywhere, near = self.where.currentData(), self.neighbours.value()
        asked = question(self.session, choice if kinds else None, everywhere, near)

        def task(progress: ProgressCallback) -> Any:
            report(progress, 0, 0, "Loading squidpy")
            return work(asked, progress)

        def deliver(made: Any) -> None:
            if self.session.slide is not asked.slide or (
                not asked.whole and self.session.fov is not asked.fov
            ):
                self.session.say("The cells that were asked about are no longer here.")
                return
            done(asked, made)

        self.context.jobs.run(title, task, deliver)

    def _select(self, pair: tuple[str, str]) -> None:
        self._take(self._map_of, pair)

    def _take(self, asked: Question | None, pair: Any) -> None:
        """Select the cells of a pair of kinds that lie beside one another."""
        session = self.session
        if asked is None or asked.choice is None or session.fov is None:
            return
        rows = self._beside.rows(session, asked.choice, asked.neighbours, pair)
        key = asked.choice.key
        shown = key == CLUSTERS or asked.choice.source is session.grouping
        if (shown or key == keys.CELL_TYPE) and session.colour_by != "gene":
            session.colour_by = "clusters" if shown else "type"
        session.selection = rows
        session.say(selected_words(len(rows), pair, session.fov.name))

    def _paint(self, at: int) -> None:
        gene = str(self.ranked["gene"].iloc[at])
        colour_by_gene(self.session, gene)

    def _meet(self, at: int) -> None:
        found = self.tested.iloc[at]
        self._take(self._pairs_of, (found["sender"], found["receiver"]))

    def _choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Pairs", "", TABLES)
        if path:
            self.test_pairs(Path(path))

    def _save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the numbers")
        if folder:
            self.context.attempt(self._write, Path(folder))

    def _write(self, folder: Path) -> None:
        frames = {**self.map.frames(), "moran": self.ranked, "ligrec": self.tested}
        names = words.write_frames(frames, folder)
        self.session.say(f"{', '.join(names)} written to {folder}.")

    def _on_fov(self, *_: Any) -> None:
        """Forget what belongs to a FOV that is no longer on show."""
        self.refresh()
        if self._map_of is not None and not self._map_of.whole:
            self._drop_map()
        if self._genes_of is not None and not self._genes_of.whole:
            self._drop_genes()
        if self._pairs_of is not None and not self._pairs_of.whole:
            self._drop_pairs()

    def _forget(self, *_: Any) -> None:
        self._drop_map()
        self._drop_genes()
        self._drop_pairs()

    def _drop_map(self) -> None:
        self._map_of = None
        self.map.clear()
        self._fit_save()

    def _drop_genes(self) -> None:
        self._genes_of = self.ranked = None
        self.genes.hide()
        self.genes_said.hide()
        self._fit_save()

    def _drop_pairs(self) -> None:
        self._pairs_of = self.tested = None
        self.pairs.hide()
        self.pairs_said.hide()
        self._fit_save()

    def _fit_save(self) -> None:
        held = (self._map_of, self._genes_of, self._pairs_of)
        self.save.setVisible(any(one is not None for one in held))
