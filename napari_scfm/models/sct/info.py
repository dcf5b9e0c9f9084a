"""What is known of an sCT model from its files, without loading weights; no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_scfm.errors import ModelError, counted
from napari_scfm.models.base import ModelInfo
from napari_scfm.models.description import LICENCE, as_filed
from napari_scfm.models.sct import kept
from napari_scfm.models.sct.config import SCTConfig, padded
from napari_scfm.models.sct.files import find_files
from napari_scfm.models.sct.genes import find_genes, read_genes
from napari_scfm.models.sct.licence import RELEASED

if TYPE_CHECKING:
    from pathlib import Path

RELEASED_GENES = 19_965
CITATION = (
    "InstaDeep, sCellTransformer (sCT), "
    "github.com/instadeepai/nucleotide-transformer, hub InstaDeepAI/sCellTransformer"
)
_TOLD = "; hidden genes are told how the cells around express them (not in the paper)"


def licence_of(config: SCTConfig) -> str:
    """Return the licence of the weights of a configuration.

    Weights that do not name their genes are in the released layout, and are taken for
    the released ones.
    """
    if "licence" in config.extra:
        return str(config.extra["licence"])
    return "" if config.measured else RELEASED


def known_as(config: SCTConfig, genes: tuple[str, ...] | None, name: str) -> SCTConfig:
    """Return the configuration with genes, name and licence, as it is saved again."""
    extra = {**config.extra, "licence": licence_of(config)}
    return replace(
        config,
        measured=config.measured or genes or (),
        name=config.name or name,
        extra=extra,
    )


def model_info(
    config: SCTConfig, weights: Path | None, name: str, parameters: int
) -> ModelInfo:
    """Return the description of an sCT model.

    Parameters
    ----------
    config, weights
        See :func:`napari_scfm.models.description.as_filed`.
    name, parameters
        Its name where the configuration has none, and the number of its trained
        weights.
    """
    genes = config.measured
    first = next((gene for gene in genes if gene.startswith("ENS")), "ENSG")
    species = "mouse" if first.startswith("ENSMUSG") else "human"
    kind = "sCT trained on a panel" if licence_of(config) != RELEASED else "sCT"
    info = ModelInfo(
        name=config.name or name,
        description=f"{kind}: {counted(config.num_layers, 'layer')} x "
        f"{config.embed_dim}, {config.num_cells} cells at a time, "
        + (f"{len(genes):,} genes" if genes else "which genes is not known yet")
        + (_TOLD if config.surroundings else ""),
        genes=genes,
        species=species,
        capabilities=frozenset({"embed", "impute", "attend"} if genes else ()),
        parameters=parameters,
        licence=licence_of(config) or LICENCE,
        citation=CITATION,
    )
    return as_filed(info, config, weights)


def sct_info() -> ModelInfo | None:
    """Return the description of the weights that are called "sct", if there are any.

    Their file is not read, so it has no checksum.
    """
    path = kept.weights()
    files = None if path is None else find_files(path)
    if files is None:
        return None
    try:
        config = known_as(
            SCTConfig.from_json(files.config), order_of(files.weights), kept.NAME
        )
    except ModelError:
        return None
    return model_info(config, None, kept.NAME, int(config.extra.get("parameters", 0)))


def order_of(weights: Path, genes: str | Path | None = None) -> tuple[str, ...] | None:
    """Return the gene of each position: as named now, as named before, or found.

    Parameters
    ----------
    weights
        Beside them a table or maps may lie.
    genes
        A table that the user names, or None.

    Raises
    ------
    ModelError
        If the table is none.
    """
    named = kept.genes_of(weights) if genes is None else genes
    return find_genes(weights) if named is None else read_genes(named)


def sized(config: SCTConfig, genes: tuple[str, ...] | None) -> SCTConfig:
    """Return the configuration with the positions that it will have, for estimates."""
    count = len(genes or config.measured) or RELEASED_GENES
    found = config.positions or padded(count, config.num_downsamples)
    return replace(config, positions=found)
