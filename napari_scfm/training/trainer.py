"""One network on its way: a step, a score, and everything that a checkpoint holds.

AdamW with linear warm-up and cosine decay, clipped gradients; what is scored and kept
is a running mean of the weights. When memory runs out the largest bag is halved and
the step is taken again.
"""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_scfm.errors import ModelError
from napari_scfm.training.batches import TrainingBag, Views, varied
from napari_scfm.training.memory import ran_out, release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from napari_scfm.training.objectives.base import Objective
    from napari_scfm.training.settings import TrainSettings

T = TypeVar("T")
SMALLEST_WINDOW = 16
"""Cells below which a bag is not halved any more."""


class Trainer:
    """A network, its running mean, its optimiser and its random numbers.

    Parameters
    ----------
    network
        On its device, with gradients.
    objective
        What it learns.
    rows
        (genes,) positions of the bags' columns in the gene list.
    settings
        The knobs.
    steps
        Steps of the whole run, for the learning rate.
    seed
        Of masks, windows and the order of bags; dropout draws from torch's own
        generator, which the caller seeds.
    """

    def __init__(
        self,
        network: Any,
        objective: Objective,
        rows: Tensor,
        settings: TrainSettings,
        steps: int,
        seed: int,
    ) -> None:
        self.network, self.objective, self.rows = network, objective, rows
        self.settings, self.steps = settings, steps
        self.device = rows.device
        self.rng = np.random.default_rng(seed)
        self.neighbours = max(getattr(network.config, "neighbours", ()), default=0)
        if objective.head is not None:
            objective.head.to(self.device)
        self.optimiser = self._make_optimiser()
        self.average = copy.deepcopy(network)
        self.done = 0
        self.largest = settings.largest_bag
        self.notes: list[str] = []

    def _trained(self) -> list[torch.nn.Parameter]:
        head = self.objective.head
        own = [p for p in self.network.parameters() if p.requires_grad]
        return own + ([] if head is None else list(head.parameters()))

    def _make_optimiser(self) -> torch.optim.AdamW:
        return _optimiser(self._trained(), self.settings)

    def step(self, bag: TrainingBag) -> float:
        """Take one step on a varied view of a bag; return its loss.

        Raises
        ------
        ModelError
            If memory runs out however small the bag, or the loss is no number.
        """
        self.network.train()
        pace = _rate(self.done, self.steps, self.settings.warm_up)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * pace * group.get("pace", 1.0)
        cells = min(len(bag), self.settings.window or len(bag))
        loss = self._within_memory(cells, lambda: self._gradients(bag))
        if not math.isfinite(loss):
            raise ModelError(
                f"The loss is no longer a number at step {self.done + 1} (FOV "
                f"{bag.name}).",
                "Lower settings.learning_rate, or look for odd counts in that FOV.",
            )
        torch.nn.utils.clip_grad_norm_(self._trained(), self.settings.clip)
        self.optimiser.step()
        self.done += 1
        self._follow()
        return loss

    def _gradients(self, bag: TrainingBag) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        view = varied(
            bag,
            self.neighbours,
            self.device,
            self.rng,
            crop=self.settings.crop,
            thinning=self.settings.thinning,
            largest=min(filter(None, (self.largest, self.settings.window)), default=0),
        )
        with self._precision():
            loss = self.objective.loss(self.network, view, self.rows, self.rng)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _precision(self) -> AbstractContextManager[Any]:
        if self.device.type == "cuda" and self.settings.half_precision:
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()

    def score(
        self, held_out: Sequence[TrainingBag], training: Sequence[TrainingBag]
    ) -> dict[str, float]:
        """Return the objective's figures for the running mean of the weights."""
        self.average.eval()

        def figures() -> dict[str, float]:
            own, other = (
                Views(bags, self.neighbours, self.device, self.largest)
                for bags in (held_out, training)
            )
            with torch.no_grad():
                return self.objective.scores(self.average, own, self.rows, other)

        return self._within_memory(max(map(len, held_out)), figures)

    def _within_memory(self, cells: int, work: Callable[[], T]) -> T:
        """Do some work; halve the largest bag for as long as memory runs out."""
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
            self._halve(cells)

    def _halve(self, cells: int) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        release(self.device)
        before = min(cells, self.largest or cells)
        self.largest = before // 2
        if self.largest < SMALLEST_WINDOW:
            raise ModelError(
                f"Memory ran out even with bags of {before} cells.",
                "Train a smaller model, or on a device with more memory.",
            )
        self.notes = [
            f"Memory ran out, so training read at most {self.largest} cells at once."
        ]

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running mean; it forgets quickly at first."""
        pace = min(self.settings.average, self.done / (self.done + 10))
        new = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - pace)
            else:
                value.copy_(new[name])

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor that the next step depends on, by name."""
        parts: dict[str, torch.nn.Module] = {
            "network": self.network,
            "average": self.average,
        }
        if self.objective.head is not None:
            parts["head"] = self.objective.head
        out = {
            f"{part}.{name}": value
            for part, module in parts.items()
            for name, value in module.state_dict().items()
        }
        for at, moments in self.optimiser.state_dict()["state"].items():
            out |= {f"optimiser.{at}.{name}": v for name, v in moments.items()}
        out["random.torch"] = torch.get_rng_state()
        if self.device.type == "cuda":
            out["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return out

    def state(self) -> dict[str, Any]:
        """Return everything else that the next step depends on, ready for JSON."""
        return {
            "done": self.done,
            "largest": self.largest,
            "notes": self.notes,
            "random": self.rng.bit_generator.state,
            "objective": self.objective.state(),
        }

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Take back what `tensors` and `state` returned."""
        self.network.load_state_dict(part_of(tensors, "network"))
        self.average.load_state_dict(part_of(tensors, "average"))
        if self.objective.head is not None:
            self.objective.head.load_state_dict(part_of(tensors, "head"))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part_of(tensors, "optimiser").items():
            at, _, kind = name.partition(".")
            moments.setdefault(int(at), {})[kind] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        torch.set_rng_state(tensors["random.torch"])
        if self.device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.rng.bit_generator.state = state["random"]
        self.done, self.largest = state["done"], state["largest"]
        self.notes = state["notes"]
        self.objective.restore(state["objective"])


def part_of(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """Return the tensors named ``part.<name>``, by their name."""
    start = f"{part}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _optimiser(
    parameters: Sequence[torch.nn.Parameter], settings: TrainSettings
) -> torch.optim.AdamW:
    """AdamW; norms, biases and dispersions do not decay."""
    groups = [
        {
            "params": [p for p in parameters if p.ndim >= 2],
            "weight_decay": settings.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def _rate(step: int, steps: int, warm_up: float) -> float:
    first = max(1, round(warm_up * steps))
    if step < first:
        return (step + 1) / first
    share = (step - first) / max(1, steps - first)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share))) * 0.99 + 0.01
