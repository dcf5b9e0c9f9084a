"""The baselines by name; each module is imported when its baseline is made.

Some need a package that is not implied, because of its licence or its size. They are
there when that package is; asked for by name without it, they say how to get it.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from napari_scfm.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.models.base import CellModel


def _gene_mean() -> CellModel:
    from napari_scfm.models.baselines.gene_mean import GeneMean

    return GeneMean()


def _zeros() -> CellModel:
    from napari_scfm.models.baselines.zeros import Zeros

    return Zeros()


def _knn_space() -> CellModel:
    from napari_scfm.models.baselines.knn_space import KnnSpace

    return KnnSpace()


def _knn_expression() -> CellModel:
    from napari_scfm.models.baselines.knn_expression import KnnExpression

    return KnnExpression()


def _ridge() -> CellModel:
    from napari_scfm.models.baselines.ridge import Ridge

    return Ridge()


def _magic() -> CellModel:
    from napari_scfm.models.baselines.magic import Magic

    return Magic()


def _tangram() -> CellModel:
    from napari_scfm.models.baselines.tangram import Tangram

    return Tangram()


def _gimvi() -> CellModel:
    from napari_scfm.models.baselines.gimvi import GimVI

    return GimVI()


BASELINES: dict[str, Callable[[], CellModel]] = {
    "gene-mean": _gene_mean,
    "zeros": _zeros,
    "knn-space": _knn_space,
    "knn-expression": _knn_expression,
    "ridge": _ridge,
}
"""Name -> a function that makes the model, in the order in which they are listed."""


@dataclass(frozen=True)
class Optional:
    """A baseline that needs another package.

    Attributes
    ----------
    make
        Makes the model.
    module, package, extra
        What is imported, what installs it, and the extra of napari-scfm that does.
    """

    make: Callable[[], CellModel]
    module: str
    package: str
    extra: str

    @property
    def installed(self) -> bool:
        """Whether the package is there; another one may own the module's name."""
        try:
            version(self.package)
        except PackageNotFoundError:
            return False
        return importlib.util.find_spec(self.module) is not None


OPTIONAL: dict[str, Optional] = {
    "magic": Optional(_magic, "magic", "magic-impute", "magic"),
    "tangram": Optional(_tangram, "tangram", "tangram-sc", "tangram"),
    "gimvi": Optional(_gimvi, "scvi", "scvi-tools", "scvi"),
}
"""Name -> a baseline that needs another package."""


def available() -> dict[str, Callable[[], CellModel]]:
    """Return the baselines that can be made here, by name."""
    there = {name: one.make for name, one in OPTIONAL.items() if one.installed}
    return BASELINES | there


def refuse_missing(name: str) -> None:
    """Say how to get a baseline whose package is not installed.

    Raises
    ------
    MissingExtraError
        If it is such a baseline.
    """
    if name in OPTIONAL and not OPTIONAL[name].installed:
        one = OPTIONAL[name]
        raise MissingExtraError(one.package, one.extra, f"Model {name}")
