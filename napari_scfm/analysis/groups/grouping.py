"""A grouping: every cell of a slide in one named and coloured class.

Clusters, domains and cell types are the same thing here, and so is what people do to
them: merge, split, rename, correct by hand. Each act returns a new grouping. Decides
that a class is a name with at least one cell, and that it keeps its colour whatever
happens to others: a merged class takes the colour of the class that gave it its name,
the largest part of a split one keeps that of the whole, and a class that is new gets
the first colour nobody has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.clusters import by_size, cluster
from napari_scfm.analysis.groups.checks import alike, problems_of, rows_of
from napari_scfm.analysis.groups.colours import unused
from napari_scfm.errors import ScfmError, counted, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

TOLD = "Told by"
"""How the sentence of predicted types begins."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Classes of all cells of a slide; :meth:`of` makes one from labels.

    Two groupings are equal if key, labels, names, colours and confidence are.

    Attributes
    ----------
    key
        ``obs`` column that it is stored in.
    labels
        (cells,) int32 in the order of the slide's table: position in ``names``; -1 =
        in no class. Read-only.
    names
        Of the classes, each once, in the order of the legend.
    colours
        (classes, 4) float32 RGBA, opaque, whole 255ths. Read-only.
    about
        How it was made, one sentence.
    confidence
        (cells,) float32 from 0 to 1, how sure each cell's class is; NaN = nobody says,
        as of a cell that was put into its class by hand. None = of no cell. Read-only.

    Raises
    ------
    ScfmError
        If labels, names, colours and confidence do not fit.
    """

    key: str
    labels: NDArray[np.int32]
    names: tuple[str, ...]
    colours: NDArray[np.float32]
    about: str = ""
    confidence: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        labels = np.array(self.labels, dtype=np.int32)
        colours = np.array(self.colours, dtype=np.float32).reshape(-1, 4)
        colours = (np.rint(colours * 255) / 255).astype(np.float32)
        colours[:, 3] = 1.0
        found = problems_of(self.key, labels, self.names, colours)
        sure = self.confidence
        if sure is not None:
            sure = np.array(sure, dtype=np.float32)
            if sure.shape != labels.shape:
                found.append(f"{len(sure)} confidences of {len(labels)} cells")
        if found:
            raise ScfmError(
                f"These are not classes of cells: {found[0]}.",
                "Give every cell the position of its class among the names.",
                found,
            )
        own = {"labels": labels, "colours": colours, "confidence": sure}
        for name, values in own.items():
            if values is not None:
                values.setflags(write=False)
                object.__setattr__(self, name, values)
        object.__setattr__(self, "names", tuple(self.names))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grouping):
            return NotImplemented
        return (
            (self.key, self.names) == (other.key, other.names)
            and np.array_equal(self.labels, other.labels)
            and np.array_equal(self.colours, other.colours)
            and alike(self.confidence, other.confidence)
        )

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(
        cls,
        key: str,
        labels: ArrayLike,
        names: Sequence[str] | None = None,
        colours: ArrayLike | None = None,
        about: str = "",
    ) -> Grouping:
        """Return the grouping of any labels; classes without a cell are left out.

        Parameters
        ----------
        key
            ``obs`` column.
        labels
            (cells,) whole numbers from 0; negative = in no class.
        names
            One for each number; default: the numbers.
        colours
            (names, 3 or 4) from 0 to 1; default: :func:`.colours.unused` ones.
        about
            How it was made.
        """
        codes = np.maximum(np.asarray(labels, dtype=np.int32), -1)
        if names is None:
            names = [str(code) for code in range(int(codes.max(initial=-1)) + 1)]
        if colours is None:
            colours = unused(np.empty((0, 4)), len(names))
        given = np.asarray(colours, dtype=np.float32)
        rgba = np.ones((len(given), 4), dtype=np.float32)
        rgba[:, :3] = given[:, :3]
        if found := problems_of(key, codes, names, rgba, empty=True):
            raise ScfmError(f"These are not classes of cells: {named(found)}.")
        order = list(range(len(names)))
        return _compact(key, codes, list(names), rgba, order, about)

    @classmethod
    def from_obs(cls, table: AnnData, column: str) -> Grouping:
        """Return a column of a table as a grouping; see :mod:`.stored`."""
        from napari_scfm.analysis.groups.stored import from_obs

        return from_obs(table, column)

    def to_obs(self, table: AnnData) -> None:
        """Write it to a table under scverse's keys; see :mod:`.stored`."""
        from napari_scfm.analysis.groups.stored import to_obs

        to_obs(self, table)

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Return (classes,) number of cells of each class."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.names))

    @property
    def rgba(self) -> NDArray[np.float32]:
        """Return (cells, 4) colour of each cell; transparent = in no class."""
        return np.vstack([self.colours, np.zeros((1, 4), np.float32)])[self.labels]

    def rows(self, *names: str) -> NDArray[np.intp]:
        """Return the rows of the cells of some classes, in table order."""
        return np.flatnonzero(np.isin(self.labels, self.codes(names)))

    def codes(self, names: Sequence[str]) -> list[int]:
        """Return the positions of some names.

        Raises
        ------
        ScfmError
            If a class is not there.
        """
        missing = [name for name in names if name not in self.names]
        if missing:
            raise ScfmError(
                f"There is no class {named(missing)} in {self.key}.",
                f"Choose of {named(self.names, 12)}.",
            )
        return [self.names.index(name) for name in names]

    def merge(self, names: Sequence[str], into: str = "") -> Grouping:
        """Make one class of several.

        Parameters
        ----------
        names
            Classes, at least one.
        into
            Name of the class that comes of it; default: that of the largest. A class
            that has this name already takes the others in.

        Returns
        -------
        The merged class stands where the class of that name, else the largest, stood
        and has its colour.
        """
        wanted = list(names) + [into] * (into in self.names)
        codes = list(dict.fromkeys(self.codes(wanted)))
        if not names:
            raise ScfmError("No class was named to be merged.", "Name two or more.")
        largest = max(codes, key=lambda code: (self.sizes[code], -code))
        head = self.names.index(into) if into in self.names else largest
        labels = self.labels.copy()
        labels[np.isin(labels, codes)] = head
        return self._anew(labels, self._named(head, into or self.names[head]))

    def rename(self, old: str, new: str) -> Grouping:
        """Give a class another name; its colour and its place stay.

        Raises
        ------
        ScfmError
            If another class has that name: merging is another act.
        """
        (code,) = self.codes([old])
        if new != old and new in self.names:
            raise ScfmError(
                f"There is a class {new} in {self.key} already.",
                "Merge the two, or choose another name.",
            )
        return self._anew(self.labels, self._named(code, new))

    def split(self, name: str, labels: ArrayLike) -> Grouping:
        """Make several classes of one.

        Parameters
        ----------
        name
            The class.
        labels
            (cells of it,) part of each of its cells, in table order.

        Returns
        -------
        Parts are ``name.1``, ``name.2`` ... by size, in the place of the class; the
        first has its colour. Fewer than two parts leave the class as it is.
        """
        rows, parts = self.rows(name), np.asarray(labels).ravel()
        if len(parts) != len(rows):
            raise ScfmError(
                f"Class {name} has {counted(len(rows), 'cell')}, but there are "
                f"{len(parts)} labels.",
                "Give one for each of its cells.",
            )
        return self._parted(rows, by_size(parts), name)

    def subcluster(
        self,
        cells: ArrayLike,
        embedding: ArrayLike,
        resolution: float = 1.0,
        *,
        by: Callable[..., NDArray[np.int32]] = cluster,
        **how: Any,
    ) -> Grouping:
        """Cluster some cells anew, with a neighbour graph of their own.

        Parameters
        ----------
        cells
            Mask or rows.
        embedding
            (all cells, d).
        resolution
            Of Leiden.
        by
            What clusters them, gets ``how``:
            :func:`napari_scfm.analysis.clusters.cluster`, or the same apart.

        Returns
        -------
        Their clusters are classes ``A.1``, ``A.2`` ... where all of them are of class
        A, else ``part.1`` ... behind all others; cells that were not chosen keep
        their classes, as do cells without an embedding. One cluster only leaves
        everything as it is.
        """
        rows = rows_of(cells, len(self.labels))
        points = np.asarray(embedding)
        if len(points) != len(self.labels):
            raise ScfmError(
                f"{self.key} has {len(self.labels)} cells, the embedding has "
                f"{len(points)}.",
                "Give the embedding of the whole slide.",
            )
        parts = by(points[rows], resolution, **how)
        rows, parts = rows[parts >= 0], parts[parts >= 0]
        codes = np.unique(self.labels[rows])
        whole = len(codes) == 1 and codes[0] >= 0
        return self._parted(rows, parts, self.names[codes[0]] if whole else "")

    def assign(self, cells: ArrayLike, name: str) -> Grouping:
        """Put cells into a class by hand; a new name makes a new class.

        Parameters
        ----------
        cells
            Mask or rows of the cells.
        name
            Of the class. Classes that lose their last cell are gone. How sure a
            person is nobody measured, so the cells' confidence is NaN from then on.
        """
        rows = rows_of(cells, len(self.labels))
        labels, names, colours = self.labels.copy(), list(self.names), self.colours
        if name not in names and len(rows):
            names.append(name)
            colours = np.vstack([colours, unused(colours, 1)])
        if len(rows):
            labels[rows] = names.index(name)
        made = self._anew(labels, names, colours)
        if self.confidence is None:
            return made
        sure = self.confidence.copy()
        sure[rows] = np.nan
        return replace(made, confidence=sure)

    def coloured_as(self, other: Grouping) -> Grouping:
        """Give each class the colour of the class of another grouping it lies on.

        Classes are matched one to one so that most cells keep their colour (Hungarian
        method on the table of common cells); the others get colours nobody has. So
        colours stay while a resolution changes.
        """
        from scipy.optimize import linear_sum_assignment

        if len(other.labels) != len(self.labels):
            return self
        both = (self.labels >= 0) & (other.labels >= 0)
        common = np.zeros((len(self.names), len(other.names)), dtype=np.int64)
        np.add.at(common, (self.labels[both], other.labels[both]), 1)
        mine, theirs = linear_sum_assignment(common, maximize=True)
        found = common[mine, theirs] > 0
        rest = np.setdiff1d(np.arange(len(self.names)), mine[found])
        colours = self.colours.copy()
        colours[mine[found]] = other.colours[theirs[found]]
        colours[rest] = unused(other.colours, len(rest))
        return replace(self, colours=colours)

    def _named(self, code: int, name: str) -> list[str]:
        return [*self.names[:code], name, *self.names[code + 1 :]]

    def _anew(
        self,
        labels: NDArray[np.int32],
        names: list[str],
        colours: NDArray[np.float32] | None = None,
        order: list[int] | None = None,
    ) -> Grouping:
        rgba = self.colours if colours is None else colours
        places = list(range(len(names))) if order is None else order
        made = _compact(self.key, labels, names, rgba, places, self.about)
        return replace(made, confidence=self.confidence)

    def _parted(
        self, rows: NDArray[np.intp], parts: NDArray[np.int32], name: str
    ) -> Grouping:
        """Make the parts of some cells classes; ``name``: the one class they are of."""
        count, known = int(parts.max(initial=-1)) + 1, len(self.names)
        if count < 2:
            return self
        labels = self.labels.copy()
        labels[rows] = known + parts
        order, colours = list(range(known)), unused(self.colours, count)
        place = known
        if name:
            code = self.names.index(name)
            place = code + 1
            if not (labels == code).any():
                colours = np.vstack([self.colours[code], colours[:-1]])
        order[place:place] = range(known, known + count)
        names = [*self.names, *self._free(name or "part", count)]
        return self._anew(labels, names, np.vstack([self.colours, colours]), order)

    def _free(self, stem: str, count: int) -> list[str]:
        """Return the first names ``stem.1``, ``stem.2`` ... that no class has."""
        every = (f"{stem}.{i}" for i in range(1, count + len(self.names) + 1))
        return [name for name in every if name not in self.names][:count]


def _compact(
    key: str,
    labels: NDArray[np.int32],
    names: list[str],
    colours: NDArray[np.float32],
    order: list[int],
    about: str,
) -> Grouping:
    """Return the grouping of the classes that have cells, in an order."""
    sizes = np.bincount(labels[labels >= 0], minlength=len(names))
    kept = [code for code in order if sizes[code]]
    place = np.full(len(names) + 1, -1, dtype=np.int32)
    place[kept] = np.arange(len(kept))
    return Grouping(
        key, place[labels], tuple(names[code] for code in kept), colours[kept], about
    )
