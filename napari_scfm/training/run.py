"""One run of training, whatever the family: its terms, how it begins, what it leaves.

A complete run leaves the model's weights and configuration, and ``metrics.json`` with
its figures and terms; the checkpoints go. Asked for again on the same terms it is
returned as it is.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

from napari_scfm.models.devices import pick_device
from napari_scfm.models.files import WEIGHTS, sha256, write_json
from napari_scfm.models.hub import load_model
from napari_scfm.models.weights import count_weights
from napari_scfm.training.around import saying_what_is_kept, seeded
from napari_scfm.training.bags import digest
from napari_scfm.training.checkpoints import Checkpoints, check_terms, found
from napari_scfm.training.loop import History, run_loop
from napari_scfm.training.start import weights_digest
from napari_scfm.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from napari_scfm.models.cellplm.config import CellPLMConfig
    from napari_scfm.models.cellplm.model import CellPLM
    from napari_scfm.models.sct.config import SCTConfig
    from napari_scfm.models.sct.model import SCT
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.training.batches import TrainingBag
    from napari_scfm.training.lesson import Wish
    from napari_scfm.training.objectives.base import Objective

METRICS = "metrics.json"
FORMAT = "napari-scfm 1"

M = TypeVar("M", bound="CellPLM | SCT")


@dataclass
class Where:
    """Where a run happens and who is told, see :func:`napari_scfm.train`.

    Attributes
    ----------
    place
        The device that is meant.

    Raises
    ------
    ModelError
        If this machine has no such device.
    """

    out: str | Path | None
    resume: bool
    device: str
    progress: ProgressCallback | None
    place: torch.device = field(init=False)

    def __post_init__(self) -> None:
        self.place = pick_device(self.device)

    def name(self, new: str) -> str:
        """Return the model's name: of its folder, or that of a new model."""
        return new if self.out is None else Path(self.out).name


class AnyLesson(Protocol):
    """What a run of any family reads."""

    @property
    def config(self) -> CellPLMConfig | SCTConfig:
        """Of the network."""

    @property
    def rows(self) -> np.ndarray:
        """(genes,) positions of the bags' columns in its gene list."""

    @property
    def training(self) -> list[TrainingBag]:
        """Bags that are learned from."""

    @property
    def held_out(self) -> list[TrainingBag]:
        """Bags that decide which weights are kept."""

    @property
    def notes(self) -> list[str]:
        """What a user should know."""


class Run:
    """What was asked for, what is read, and where it happens, as one run.

    Parameters
    ----------
    wish, lesson, where
        These three.
    given
        The model to go on from, or None.
    targets
        Names of the target genes; None in a family that has no such objective.

    Attributes
    ----------
    terms
        What a resumed run must share with the one that was interrupted.
    """

    def __init__(
        self,
        wish: Wish,
        lesson: AnyLesson,
        where: Where,
        given: CellPLM | SCT | None,
        targets: list[str] | None = None,
    ) -> None:
        self.wish, self.lesson, self.where = wish, lesson, where
        self.targets = targets
        self.terms = self._terms(given)
        self._checkpoints = (
            None if where.out is None else Checkpoints(where.out, self.terms)
        )

    def _terms(self, given: CellPLM | SCT | None) -> dict[str, Any]:
        wish, lesson = self.wish, self.lesson
        targets = {} if self.targets is None else {"list of target genes": self.targets}
        return {
            "objective": wish.objective,
            "settings": wish.settings.to_dict(),
            "number of epochs": wish.epochs,
            "seed": wish.seed,
            **targets,
            "held-out FOVs": [bag.name for bag in lesson.held_out],
            "network": lesson.config.to_dict(),
            "model to start from": weights_digest(given),
            "table": digest([*lesson.training, *lesson.held_out]),
        }

    def complete(self, kind: type[M]) -> M | None:
        """Return the model if the run is to be resumed and was complete, else None.

        Raises
        ------
        SpecError
            If it was a run on other terms.
        """
        if not self.where.resume or self.where.out is None:
            return None
        out = Path(self.where.out)
        path = out / METRICS
        if found(out) or not path.is_file():
            return None
        past = json.loads(path.read_text(encoding="utf-8"))
        check_terms(out, past.get("terms", {}), json.loads(json.dumps(self.terms)))
        model = load_model(out, self.where.device)
        assert isinstance(model, kind)
        model.notes.append(f"The training in {out} was complete; nothing was trained.")
        return model

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Seed torch inside; a run that is stopped there says what is kept of it."""
        if self._checkpoints is not None and not self.where.resume:
            self._checkpoints.clear()
        with (
            seeded(self.wish.seed, self.where.place),
            saying_what_is_kept(self.where.out, self.wish.epochs),
        ):
            yield

    def teach(
        self, network: Any, objective: Objective, kind: type[Trainer] = Trainer
    ) -> History:
        """Train a network in place, see :func:`.loop.run_loop`."""
        place = self.where.place
        return run_loop(
            network.to(place).requires_grad_(True),
            objective,
            torch.as_tensor(self.lesson.rows, device=place),
            self.lesson.training,
            self.lesson.held_out,
            settings=self.wish.settings,
            epochs=self.wish.epochs,
            seed=self.wish.seed,
            progress=self.where.progress,
            checkpoints=self._checkpoints,
            resume=self.where.resume,
            kind=kind,
        )

    def end(
        self,
        network: Any,
        history: History,
        wrap: Callable[[Any, dict[str, Any]], M],
    ) -> M:
        """Wrap the network, write the files, if asked, and drop the checkpoints.

        Parameters
        ----------
        network, history
            As they were left by :meth:`teach`.
        wrap
            Takes the network and what its configuration is to keep of the run.
        """
        network.eval().requires_grad_(False)
        record = self._record(history)
        kept = {
            "parameters": count_weights(network),
            "training": record,
            "format": FORMAT,
        }
        model = wrap(network, kept)
        model.notes += [*self.lesson.notes, *history.notes]
        if self.where.out is not None:
            folder = model.save(self.where.out)
            figures = record | history.to_dict() | {"terms": self.terms}
            write_json(folder / METRICS, figures)
            model.info = replace(model.info, sha256=sha256(folder / WEIGHTS))
        if self._checkpoints is not None:
            self._checkpoints.clear()
        return model

    def _record(self, history: History) -> dict[str, Any]:
        """Return what is told of the run, in its files and with the model."""
        wish, lesson = self.wish, self.lesson
        return {
            "objective": wish.objective,
            "fovs": [bag.name for bag in lesson.training],
            "validation": [bag.name for bag in lesson.held_out],
            **({"targets": self.targets} if self.targets else {}),
            "epochs": wish.epochs,
            "seed": wish.seed,
            "settings": wish.settings.to_dict(),
            "best_epoch": history.best,
            "scores": history.scores,
            "version": version("napari-scfm"),
            "torch": torch.__version__,
        }
