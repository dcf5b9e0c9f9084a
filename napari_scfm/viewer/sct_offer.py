"""What a person should know of sCT weights before they are loaded, in words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.models.sct import kept, licence
from napari_scfm.models.sct.config import SCTConfig
from napari_scfm.models.sct.files import find_files
from napari_scfm.models.sct.info import (
    known_as,
    licence_of,
    model_info,
    order_of,
    sized,
)

if TYPE_CHECKING:
    from napari_scfm.models.base import CellModel

NAME = kept.NAME
UNKNOWN = (
    "<b>sct</b> · sCellTransformer, a model that reads 50 cells gene by gene. Its "
    "weights are not part of this program and not for commercial use (CC BY-NC-SA "
    "4.0): download <i>jax_params/params.joblib</i>, "
    "its <i>config.json</i> and the two gene maps from the hub page "
    "InstaDeepAI/sCellTransformer, then choose their folder."
)


@dataclass(frozen=True)
class Offer:
    """Weights that could be loaded.

    Attributes
    ----------
    path
        Of the weights.
    text
        Card, cost and licence as rich text.
    accepted
        Whether the notice was read before.
    """

    path: Path
    text: str
    accepted: bool


def released(name_or_path: str | Path) -> Path | None:
    """Return the weights of a name or path if they are under the released licence."""
    if str(name_or_path) == NAME and not Path(NAME).exists():
        return kept.weights()
    files = find_files(name_or_path)
    if files is None or not files.config.is_file():
        return None
    config = SCTConfig.from_json(files.config)
    return files.weights if licence_of(config) == licence.RELEASED else None


def offer(weights: Path, device: str) -> Offer:
    """Return what to say of weights before they are loaded; none are read.

    Parameters
    ----------
    weights
        Of :func:`released`.
    device
        On which they would run, for the estimate.

    Raises
    ------
    ModelError
        If configuration or gene tables are damaged, or there is no such device.
    """
    from napari_scfm.models.sct.cost import estimate, parameters

    files = find_files(weights)
    assert files is not None
    order = order_of(files.weights)
    config = sized(known_as(SCTConfig.from_json(files.config), order, NAME), order)
    info = model_info(config, None, NAME, parameters(config))
    accepted = licence.accepted(info.licence)
    notice = f"Licence {info.licence}." if accepted else licence.NOTICE
    lines = [
        f"<b>{escape(info.name)}</b> · {escape(info.description)}",
        f"{info.parameters:,} parameters",
        estimate(config, device).sentence(),
    ]
    text = f"<p>{'<br>'.join(lines)}</p><p>{escape(notice)}</p>"
    return Offer(files.weights, text, accepted)


def cost_line(model: CellModel | None) -> str:
    """Return what reading cells with an sCT network costs here; "" of other models.

    The first call tries how fast the device is, in a fraction of a second: make it off
    the window's thread, where the model is loaded or trained.
    """
    from napari_scfm.models.sct.cost import estimate

    config = getattr(model, "config", None)
    if not isinstance(config, SCTConfig):
        return ""
    return estimate(config, str(getattr(model, "device", "auto"))).sentence()


def agree(weights: Path) -> None:
    """Keep that the notice was read, and that these weights are "sct"."""
    licence.accept(licence.RELEASED)
    kept.keep(weights)
