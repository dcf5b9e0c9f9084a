"""What ``export`` draws: the named panels, and those a model must compute first."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from napari_scfm.analysis.streams.streamlines import StreamLook
    from napari_scfm.experiments.attention.asked import FieldOptions
    from napari_scfm.figures.panel import Panel
    from napari_scfm.models.base import CellModel
    from napari_scfm.slides.slide import FieldOfView, Slide


class FovPanels:
    """Make the panels of one field of view.

    Parameters
    ----------
    fov
        The field of view.
    model, device
        Loaded when a panel first needs it.
    seed
        Of clusters and of the attention's permutations.
    channels
        Image channels under every panel.
    outlines
        Whether cells are outlined.
    """

    def __init__(
        self,
        fov: FieldOfView,
        *,
        model: str,
        device: str = "auto",
        seed: int = 0,
        channels: tuple[str, ...] = (),
        outlines: bool = True,
    ) -> None:
        self._fov = fov
        self._name = model
        self._device = device
        self._seed = seed
        self._outlines = outlines
        self._about: dict[str, Any] = {}
        missing = [name for name in channels if name not in fov.images]
        if missing:
            raise ScfmError(
                f"Field of view {fov.name} has no channel {', '.join(missing)}.",
                f"It has {', '.join(fov.images) or 'none'}.",
            )
        self._channels = channels

    @cached_property
    def _model(self) -> CellModel:
        from napari_scfm.models.hub import load_model

        return load_model(self._name, self._device)

    @cached_property
    def _embedding(self) -> np.ndarray:
        return self._model.embed(self._fov.table)

    @cached_property
    def _clusters(self) -> np.ndarray:
        from napari_scfm.analysis.clusters import cluster

        return cluster(self._embedding, 1.0, self._seed)

    def named(self, name: str) -> Panel:
        """Return the panel of a gene, a column or a channel."""
        from napari_scfm.figures.panels import named_panel

        return self._styled(named_panel(self._fov, name))

    def plain(self) -> Panel:
        """Return the picture to draw when nothing is asked for."""
        if self._fov.images:
            return self.named("image")
        return self.named("labels")

    def clusters(self) -> Panel:
        """Return the panel of Leiden clusters of the model's embedding."""
        from napari_scfm.figures.panels import cluster_panel

        title = f"clusters of {self._model.info.name}"
        return self._styled(cluster_panel(self._fov, self._clusters, title=title))

    def attention(self, asked: FieldOptions, look: StreamLook) -> Panel:
        """Return the panel of attention streams over types, or over clusters.

        Parameters
        ----------
        asked
            Which attention, among which cells, against which chance.
        look
            How the streams are drawn.
        """
        from napari_scfm.experiments.attention.runs import attend_fov
        from napari_scfm.figures.panels import attention_panel

        found = attend_fov(
            self._model, self._fov.table, asked, embed=lambda: self._embedding
        )
        self._about = asked.about()
        return self._styled(
            attention_panel(
                self._fov,
                found.field,
                found.lines(look),
                look=look,
                categories=found.kinds.codes,
                names=found.kinds.names,
            )
        )

    def provenance(self, slide: Slide) -> dict[str, Any]:
        """Return what the figure's file should say of itself."""
        from napari_scfm.experiments.provenance import provenance, versions

        about: dict[str, Any] = {"slide": slide.name, "seed": self._seed}
        if "_model" in self.__dict__:
            more = {"streams": self._about} if self._about else {}
            return about | provenance(self._model.info, seed=self._seed, **more)
        return about | {"versions": versions()}

    def _styled(self, panel: Panel) -> Panel:
        from napari_scfm.figures.panels import channel_styles

        if self._channels and not panel.channels:
            panel = replace(panel, channels=channel_styles(self._channels))
        return replace(panel, outlines=self._outlines)
