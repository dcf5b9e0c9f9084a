"""napari-scfm: hide genes or cells of a slide, watch a cell language model guess back.

The public names below are imported when they are first used, so that importing the
package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Attention": "models.attention",
    "AttentionField": "analysis.attention.attention_field",
    "Cancelled": "progress",
    "CellModel": "models.base",
    "ExperimentResult": "experiments.result",
    "ExperimentSpec": "experiments.spec",
    "FieldOfView": "slides.slide",
    "Grouping": "analysis.groups.grouping",
    "Influence": "experiments.influenced",
    "Mask": "masks.mask",
    "MaskSpec": "masks.spec",
    "ModelInfo": "models.base",
    "Progress": "progress",
    "ReadReport": "slides.report",
    "ScfmError": "errors",
    "Slide": "slides.slide",
    "annotate": "analysis.annotate",
    "attention_field": "analysis.attention.attention_field",
    "cluster": "analysis.clusters",
    "export_figure": "figures.export",
    "influence": "experiments.influence",
    "ligand_receptor": "experiments.attention.ligands",
    "list_models": "models.hub",
    "load_model": "models.hub",
    "load_result": "experiments.result",
    "marker_genes": "analysis.groups.markers",
    "mask_cells": "masks.make",
    "mask_dropout": "masks.dropout",
    "mask_entries": "masks.make",
    "mask_genes": "masks.make",
    "mask_strata": "masks.strata",
    "perturb": "experiments.perturb",
    "read_slide": "slides.read",
    "run_experiment": "experiments.run",
    "run_on_slide": "experiments.slide_experiment",
    "streamlines": "analysis.streams.streamlines",
    "train": "training.train",
    "type_table": "analysis.attention.type_table",
}

__all__ = sorted([*_HOME, "__version__"])

if TYPE_CHECKING:
    from napari_scfm.analysis.annotate import annotate
    from napari_scfm.analysis.attention.attention_field import (
        AttentionField,
        attention_field,
    )
    from napari_scfm.analysis.attention.type_table import type_table
    from napari_scfm.analysis.clusters import cluster
    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.analysis.groups.markers import marker_genes
    from napari_scfm.analysis.streams.streamlines import streamlines
    from napari_scfm.errors import ScfmError
    from napari_scfm.experiments.attention.ligands import ligand_receptor
    from napari_scfm.experiments.influence import influence
    from napari_scfm.experiments.influenced import Influence
    from napari_scfm.experiments.perturb import perturb
    from napari_scfm.experiments.result import ExperimentResult, load_result
    from napari_scfm.experiments.run import run_experiment
    from napari_scfm.experiments.slide_experiment import run_on_slide
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.figures.export import export_figure
    from napari_scfm.masks.dropout import mask_dropout
    from napari_scfm.masks.make import mask_cells, mask_entries, mask_genes
    from napari_scfm.masks.mask import Mask
    from napari_scfm.masks.spec import MaskSpec
    from napari_scfm.masks.strata import mask_strata
    from napari_scfm.models.attention import Attention
    from napari_scfm.models.base import CellModel, ModelInfo
    from napari_scfm.models.hub import list_models, load_model
    from napari_scfm.progress import Cancelled, Progress
    from napari_scfm.slides.read import read_slide
    from napari_scfm.slides.report import ReadReport
    from napari_scfm.slides.slide import FieldOfView, Slide
    from napari_scfm.training.train import train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
