"""The parts of a mask that need more than a name or a number to be said.

Plain, frozen values with a stable JSON form; what they hide of a table is decided in
:mod:`napari_scfm.masks.resolve`. Lengths are in um, in the coordinates of the table's
``obsm["spatial"]`` (x, y), y down.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[int, Field(ge=0)]
Micrometres = Annotated[float, Field(allow_inf_nan=False)]
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RandomEntries(_Part):
    """Single entries drawn at random.

    Attributes
    ----------
    fraction
        Share of the eligible entries.
    eligible
        "all" or "expressed".
    """

    fraction: Share
    eligible: Literal["all", "expressed"] = "all"


class Dropout(_Part):
    """A share of each cell's non-zero counts; see :func:`mask_dropout`.

    Attributes
    ----------
    rule
        "exp" (low counts rather than high ones) or "uniform".
    fraction
        Share of a cell's non-zero counts.
    part
        "test"; or "validation", the same share of what the test leaves.
    """

    rule: Literal["exp", "uniform"] = "exp"
    fraction: Share = 0.1
    part: Literal["test", "validation"] = "test"

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the part where it is the usual one, as older files do."""
        values: dict[str, Any] = handler(self)
        if self.part == "test":
            values.pop("part", None)
        return values


class Disc(_Part):
    """The cells whose centre lies in a disc.

    Attributes
    ----------
    x, y
        Its centre.
    radius
        Its radius; cells on the edge belong to it.
    fov
        Only cells of this field of view; "" for all.
    """

    x: Micrometres
    y: Micrometres
    radius: Length
    fov: str = ""


class Stripe(_Part):
    """The cells whose centre lies in a straight stripe of tissue.

    Attributes
    ----------
    x0, y0, x1, y1
        The two ends of its middle line.
    width
        Across the line; the ends are cut square.
    fov
        Only cells of this field of view; "" for all.
    """

    x0: Micrometres
    y0: Micrometres
    x1: Micrometres
    y1: Micrometres
    width: Length
    fov: str = ""

    @model_validator(mode="after")
    def _has_length(self) -> Stripe:
        if (self.x0, self.y0) == (self.x1, self.y1):
            raise ValueError("a stripe needs two different ends")
        return self


class Block(_Part):
    """Some genes in some cells.

    Attributes
    ----------
    genes, cells
        Names.
    gene_count, cell_count
        How many are drawn instead, genes among those with any count.
    seed
        Of these draws.
    """

    genes: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    gene_count: Number = 0
    cell_count: Number = 0
    seed: int = 0

    @model_validator(mode="after")
    def _one_way_each(self) -> Block:
        for kind, names, number in (
            ("genes", self.genes, self.gene_count),
            ("cells", self.cells, self.cell_count),
        ):
            if bool(names) == bool(number):
                raise ValueError(f"a block names its {kind} or says how many to draw")
        return self
