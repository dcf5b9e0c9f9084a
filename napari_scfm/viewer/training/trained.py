"""What is said of a trained model: what it learned, from what, and how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_scfm.errors import counted, named
from napari_scfm.viewer.training.choices import GOALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.models.base import CellModel
    from napari_scfm.slides.slide import Slide

SCORES = {
    "pearson_genes": "Pearson of hidden genes",
    "pearson_cells": "of hidden cells",
    "pearson_targets": "Pearson of the chosen genes",
    "knn_macro_f1": "macro F1 of labels told by the nearest cells",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
}
"""Figures of a training record that a person can read, and their names."""

NEXT = {
    "masked": "Hide something in step 4 and predict it in step 5.",
    "sct": "Hide cells in step 4 and predict them in step 5.",
    "impute": "Hide the genes in step 4 and predict them in step 5.",
    "supcon": "Cluster with it in step 6.",
    "annotate": "Let it tell cell types in step 6.",
}
"""What to do with a model that was trained so."""


def record_of(model: CellModel | None) -> dict[str, Any]:
    """Return how a model was trained; empty where that is not known."""
    config = getattr(model, "config", None)
    record = {} if config is None else config.extra.get("training", {})
    return record if isinstance(record, dict) else {}


def classes_of(model: CellModel | None) -> tuple[str, ...]:
    """Return the labels that an annotating model knows; none for other models."""
    if model is None or "annotate" not in model.info.capabilities:
        return ()
    return tuple(str(name) for name in model.config.extra["classes"])


def training_lines(model: CellModel | None) -> list[str]:
    """Return objective, data and held-out score of a trained model, a line each."""
    record = record_of(model)
    if not record:
        return []
    titles = {goal.name: goal.title for goal in GOALS}
    objective = str(record.get("objective", ""))
    fovs, cells = _parted(record.get("fovs", []))
    held_out, _ = _parted(record.get("validation", []))
    on = named(fovs, 4)
    on += f" of {record['slide']}" if record.get("slide") else ""
    on += " and a single-cell reference" if cells else ""
    epochs, best = int(record.get("epochs", 0)), int(record.get("best_epoch", -1))
    long = (
        counted(epochs, "epoch")
        if best < 0
        else f"weights of epoch {best + 1} of {epochs}"
    )
    lines = [
        f"Trained to: {_inside(titles.get(objective, objective))}.",
        f"Learned from {on}, {long}.",
    ]
    if held_out:
        lines.append(f"Held out {named(held_out, 4)}{score_text(record)}.")
    else:
        lines.append("Nothing was held out, so there is no honest score.")
    return lines


def _inside(title: str) -> str:
    """Return a title as it is written inside a sentence."""
    return title[:1].lower() + title[1:]


def _parted(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return fields of view, and bags of reference cells."""
    cells = [name for name in names if name.startswith("reference ")]
    return [name for name in names if name not in cells], cells


def score_text(record: dict[str, Any]) -> str:
    """Return the held-out scores of a record, as they follow a name."""
    scores = record.get("scores", {})
    told = [
        f"{text} {scores[name]:.2f}" for name, text in SCORES.items() if name in scores
    ]
    if not told and "loss" in scores:
        told = [f"loss {scores['loss']:.3f}"]
    return f": {', '.join(told)}" if told else ""


def told(model: CellModel) -> str:
    """Return what to say when a training has ended well."""
    record = record_of(model)
    held_out, _ = _parted(record.get("validation", []))
    score = score_text(record)
    text = f"{model.info.name} is trained and chosen in step 3, not saved yet."
    if held_out and score:
        text += f" On {named(held_out, 3)}, which it did not learn from{score}."
    return f"{text} {NEXT.get(record.get('objective', ''), '')}".strip()


def advice(model: CellModel, done: int) -> str:
    """Return why a training ended early, or what would have helped, or "".

    Parameters
    ----------
    model
        What was trained.
    done
        Epochs that were done.
    """
    record = record_of(model)
    best, epochs = int(record.get("best_epoch", -1)), int(record.get("epochs", 0))
    if best < 0:
        return ""
    if best + 1 == epochs:
        return "It was still getting better at the end: more epochs may help."
    if done < epochs:
        return f"It stopped at epoch {done}: the held-out loss fell no more."
    return ""


def flattered(model: CellModel | None, slide: Slide, *fovs: str) -> str:
    """Return a warning if a model is scored on what it learned from, or ""."""
    record = record_of(model)
    learned = [fov for fov in fovs if fov in record.get("fovs", [])]
    if record.get("slide") != slide.name or not learned:
        return ""
    held_out = record.get("validation", [])
    go = f" {named(held_out, 3)} was held out." if held_out else ""
    return f"It learned from {named(learned, 3)}, so these scores flatter it.{go}"
