"""Step 6: clusters of the model's embedding, painted on the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import Container, FloatSpinBox, SpinBox

from napari_scfm.errors import counted
from napari_scfm.viewer import tasks
from napari_scfm.viewer.training.trained import classes_of
from napari_scfm.widgets.step import Context, Step, button, hint, row

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Clusters

EMPTY = "Leiden clusters of the model's embedding: cells that the model holds alike."


class ClustersStep(Step):
    """Resolution, seed, Cluster, and how large the clusters are."""

    def __init__(self, context: Context) -> None:
        super().__init__("6  Clusters", context)
        self.resolution = FloatSpinBox(
            label="Resolution", value=1.0, min=0.05, max=5, step=0.1
        )
        self.seed = SpinBox(label="Seed", value=0, max=2**31 - 1)
        self.form: Container[Any] = Container(widgets=[self.resolution, self.seed])
        self.form.margins = (0, 0, 0, 0)
        self.status = hint(EMPTY)
        self.body.addWidget(self.form.native)
        self.annotate = button(
            "Name the cells", self.name_cells, "Label every cell of this field of view"
        )
        cluster = button("Cluster", self.run, "Cluster this field of view")
        self.body.addLayout(row(cluster, self.annotate))
        self.body.addWidget(self.status)
        context.listen(self.session.events.clusters, self._on_clusters)
        context.listen(self.session.events.fov, self._on_clusters)
        context.listen(self.session.events.model, self._on_model)
        self._on_model()

    def run(self) -> None:
        """Cluster in the background and colour by the result."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        work = tasks.work_of(self.session, "embed")
        resolution, seed = self.resolution.value, self.seed.value

        def task(progress: Any) -> Clusters:
            return tasks.cluster_cells(work, resolution, seed, progress)

        self.context.jobs.run("Clustering", task, self._done)

    def name_cells(self) -> None:
        """Let an annotating model label the cells in the background."""
        self.context.attempt(self._start_naming)

    def _start_naming(self) -> None:
        work = tasks.work_of(self.session, "annotate")

        def task(progress: Any) -> Clusters:
            return tasks.annotate_cells(work, progress)

        self.context.jobs.run("Naming the cells", task, self._done)

    def _on_model(self) -> None:
        self.annotate.setVisible(bool(classes_of(self.session.model)))

    def _done(self, made: Clusters) -> None:
        session = self.session
        session.side_by_side = False
        session.update({"clusters": made, "colour_by": "clusters"})
        session.say(f"{made.model}: {_found(made)} in {made.fov}.")

    def _on_clusters(self) -> None:
        made, fov = self.session.clusters, self.session.fov
        if made is None or fov is None or made.fov != fov.name:
            self.status.setText(EMPTY)
            return
        sizes = np.bincount(made.values, minlength=len(made.classes))
        order = np.argsort(-sizes, kind="stable")
        text = ", ".join(f"{made.classes[i]}: {sizes[i]}" for i in order[:12])
        more = " …" if len(sizes) > 12 else ""
        self.status.setText(f"{_found(made)}; cells in each: {text}{more}")


def _found(made: Clusters) -> str:
    """Return how many clusters or labels there are."""
    number = len(np.unique(made.values))
    return counted(number, "label" if made.names else "cluster")
