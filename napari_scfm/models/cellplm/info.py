"""What is known of a CellPLM model from its files, without loading weights."""

from __future__ import annotations

from pathlib import Path

from napari_scfm.errors import counted
from napari_scfm.models.base import ModelInfo
from napari_scfm.models.cellplm.config import CellPLMConfig, read_config
from napari_scfm.models.description import LICENCE, as_filed
from napari_scfm.models.files import CONFIG, WEIGHTS

MINI = "cellplm-mini"
MINI_FOLDER = Path(__file__).parent / "mini"
MINI_LICENCE = "BSD-3-Clause"
CITATION = "Wen et al., CellPLM, ICLR 2024, doi:10.1101/2023.10.03.560734"


def model_info(
    config: CellPLMConfig, weights: Path | None, name: str, parameters: int
) -> ModelInfo:
    """Return the description of a CellPLM model.

    Parameters
    ----------
    config, weights
        See :func:`napari_scfm.models.description.as_filed`.
    name, parameters
        Its name, and the number of its trained weights.
    """
    able = {"embed", "attend"} | ({"impute"} if config.has_decoder else set())
    # original files do not name their classes
    if config.head_type == "annotation" and config.extra.get("classes"):
        able.add("annotate")
    reads = config.pe_active or config.neighbours
    kind = "CellPLM that reads positions" if reads else "CellPLM"
    if name == MINI:
        kind = "Small CellPLM trained on the sample slide"
    licence = config.extra.get("licence", LICENCE)
    info = ModelInfo(
        name=name,
        description=f"{kind}: {counted(config.enc_layers, 'layer')} x "
        f"{config.enc_hid}, {config.latent_mod} latent, {len(config.gene_list)} genes",
        genes=config.gene_list,
        species=_species(config.gene_list),
        capabilities=frozenset(able),
        parameters=parameters,
        licence=MINI_LICENCE if name == MINI else licence,
        citation=CITATION,
    )
    return as_filed(info, config, weights)


def _species(genes: tuple[str, ...]) -> str:
    if genes[0].startswith("ENSMUSG"):
        return "mouse"
    return "human" if genes[0].startswith("ENS") else "any"


def mini_info() -> ModelInfo:
    """Return the description of the model that ships with the package."""
    config = read_config(MINI_FOLDER / CONFIG)
    parameters = int(config.extra.get("parameters", 0))
    return model_info(config, MINI_FOLDER / WEIGHTS, MINI, parameters)
