"""Step 6: clusters or domains of the whole slide, painted on the cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QFileDialog

from napari_scfm.analysis.celltypes.agreement import UNKNOWN
from napari_scfm.errors import counted
from napari_scfm.experiments.files import write_h5ad
from napari_scfm.progress import report
from napari_scfm.viewer import clustering
from napari_scfm.viewer import grouping as groups
from napari_scfm.viewer.refined import embedder_of
from napari_scfm.widgets.clusters.asking import Asking
from napari_scfm.widgets.clusters.classes import ClassList
from napari_scfm.widgets.clusters.composition import CompositionSection
from napari_scfm.widgets.clusters.learn import LearnSection
from napari_scfm.widgets.clusters.markers import MarkerSection
from napari_scfm.widgets.clusters.scores import ScoresSection
from napari_scfm.widgets.clusters.types import TypesSection
from napari_scfm.widgets.neighbourhoods import NeighbourhoodSection
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, Step, button, hint

if TYPE_CHECKING:
    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.session import Clusters

EMPTY = (
    "No classes yet. Cluster sorts all cells of the slide by what the model holds "
    "alike; Cell types names them."
)
AT_ONCE = 0.03
"""Seconds that the window may wait for other classes."""


class ClustersStep(Step):
    """What to sort by, Cluster, the classes, their genes and their neighbours."""

    def __init__(self, context: Context) -> None:
        super().__init__("6  Clusters", context)
        self.asking = Asking()
        self.asking.resolved.connect(self._on_resolved)
        self.types = TypesSection(context)
        self.learn = LearnSection(context)
        self.scores = ScoresSection(context)
        self.status = hint(EMPTY)
        self.classes = ClassList(context)
        self.composition = CompositionSection(context)
        self.markers = MarkerSection(context)
        self.neighbourhoods = NeighbourhoodSection(context, self._groupings)
        self.save = button(
            "Save with the table…",
            self._ask_file,
            "All cells with their classes and the embedding, as .h5ad",
        )
        self._lay_out()
        events = self.session.events
        for signal in (events.clusters, events.fov, events.grouping, events.mask):
            context.listen(signal, self._on_clusters)
        for signal in (events.model, events.refined):
            context.listen(signal, self._on_model)
        self._on_model()
        self._on_clusters()

    def _lay_out(self) -> None:
        """Ways to classes, the classes, and what can be asked of them."""
        self.cluster = Section("Cluster", open_=True)
        press = button("Cluster", self.run, "Sort all cells of the slide")
        self.cluster.add(self.asking, press)
        self.sorted = Section("Classes", open_=True)
        self.sorted.add(self.status, self.classes)
        for part in (
            self.cluster,
            self.types,
            self.learn,
            self.sorted,
            self.composition,
            self.scores,
            self.markers,
            self.neighbourhoods,
            self.save,
        ):
            self.body.addWidget(part)

    def _on_model(self, *_: object) -> None:
        """Offer the embedding that there is now."""
        model = embedder_of(self.session)
        able = model is not None and "embed" in model.info.capabilities
        self.asking.show_models(model.info.name if able else "")

    def run(self) -> None:
        """Cluster the slide in the background and colour by the result."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        asking = self.asking
        asked = clustering.question_of(
            self.session,
            float(asking.resolution.value()),
            asking.seed.value(),
            asking.domains,
            asking.counts,
        )

        def task(progress: ProgressCallback) -> groups.Groups:
            return clustering.group_slide(asked, progress)

        def done(made: groups.Groups) -> None:
            if self.session.slide is not asked.asked.slide:
                self.session.say("The slide that was clustered is no longer open.")
                return
            groups.take(self.session, made)
            self._tell()

        self.context.jobs.run("Clustering", task, done)

    def _on_resolved(self, resolution: float) -> None:
        """Sort the cells anew; in the background where that takes long."""
        found, jobs = groups.groups_of(self.session), self.context.jobs
        if found is None:
            return
        if found.cells is None:  # of a session that was opened
            if groups.resolution_of(self.session.grouping):
                self.context.attempt(self._again, found, resolution)
            return
        if found.cells.domains != self.asking.domains:
            return  # another graph was chosen, which Cluster makes
        if jobs.running:
            self.asking.later()
        elif found.seconds <= AT_ONCE:
            self._regrouped(found, resolution, clustering.regroup(found, resolution))
        else:
            before = found.history.current

            def task(progress: ProgressCallback) -> Grouping:
                return clustering.regroup(found, resolution, progress)

            def done(made: Grouping) -> None:
                if self.session.grouping is before:
                    self._regrouped(found, resolution, made)

            jobs.run("Clustering", task, done)

    def _again(self, found: groups.Groups, resolution: float) -> None:
        """Make the graph again that the slider asks."""
        asked = clustering.question_again(self.session, found, resolution)
        before = self.session.grouping

        def task(progress: ProgressCallback) -> groups.Groups:
            return clustering.group_slide(asked, progress)

        def done(made: groups.Groups) -> None:
            if self.session.grouping is before:
                groups.take(self.session, made, f"resolution {resolution:g}")
                self._tell()

        self.context.jobs.run("Clustering", task, done)

    def _regrouped(
        self, found: groups.Groups, resolution: float, made: Grouping
    ) -> None:
        edited = groups.BY_HAND in found.history.current.about
        found.history.push(made, f"resolution {resolution:g}")
        groups.show(self.session, found)
        self._tell(" Undo brings back what was done by hand." if edited else "")

    def _tell(self, more: str = "") -> None:
        made = self.session.clusters
        self.session.say(f"{made.title}: {self._found(made)}.{self._left()}{more}")

    def _left(self) -> str:
        """Return how many cells took no part in what was made last, and why."""
        found = groups.groups_of(self.session)
        if found is None or found.cells is None or not found.cells.present.lost:
            return ""
        return f" {found.cells.present.sentence}"

    def _ask_file(self) -> None:
        name = f"{Path(self.session.slide.name).stem}_classes.h5ad"
        path, _ = QFileDialog.getSaveFileName(
            self, "Save with the table", name, "Tables (*.h5ad)"
        )
        if path:
            self.write(Path(path))

    def write(self, path: Path) -> None:
        """Write the slide's table with its classes, in the background."""
        self.context.attempt(self._write, path)

    def _write(self, path: Path) -> None:
        make = groups.table_with(self.session)
        path = path if path.suffix == ".h5ad" else path.with_name(f"{path.name}.h5ad")
        key = self.session.grouping.key

        def task(progress: ProgressCallback) -> int:
            report(progress, 0, 0, "Writing the table")
            table = make()
            write_h5ad(table, path)
            return int(table.n_obs)

        def done(cells: int) -> None:
            self.session.say(f"{path}: {counted(cells, 'cell')}, obs['{key}'].")

        self.context.jobs.run("Writing the table", task, done)

    def _groupings(self) -> list[Grouping]:
        grouping = self.session.grouping
        return [] if grouping is None else [grouping]

    def _on_clusters(self) -> None:
        made, fov, grouping = (
            self.session.clusters,
            self.session.fov,
            self.session.grouping,
        )
        for part in (self.scores, self.markers, self.save):
            part.setVisible(grouping is not None)
        if grouping is not None:
            self.asking.show_resolution(
                groups.resolution_of(grouping) or self.asking.resolution.value()
            )
        if made is None or fov is None or made.fov != fov.name:
            self.status.setText(EMPTY)
            return
        if made.grouping is not None:
            old = clustering.stale(self.session, groups.groups_of(self.session))
            more = f" {clustering.STALE}" if old else ""
            self.status.setText(f"{self._found(made)}.{self._left()}{more}")
            return
        sizes = np.bincount(made.values, minlength=len(made.classes))
        order = np.argsort(-sizes, kind="stable")
        text = ", ".join(f"{made.classes[i]}: {sizes[i]}" for i in order[:12])
        more = " …" if len(sizes) > 12 else ""
        self.status.setText(f"{self._found(made)}; cells in each: {text}{more}")

    @staticmethod
    def _found(made: Clusters) -> str:
        """Return how many clusters or labels there are, and where."""
        word = "domain" if made.title.startswith("Domains") else "cluster"
        word = "predicted type" if made.said else word
        there = {
            made.classes[code] for code in np.unique(made.values[made.values >= 0])
        }
        here = len(there - {UNKNOWN})
        if made.grouping is None:
            return f"{counted(here, word)} in {made.fov}"
        number = len(set(made.classes) - {UNKNOWN})
        return f"{counted(number, word)} on the slide, {here} in {made.fov}"
