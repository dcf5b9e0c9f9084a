"""``neighbours``: which kinds of cells lie beside which, through squidpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scfm import keys
from napari_scfm.cli.analyse import Fovs, loaded_table, write_table
from napari_scfm.cli.options import (
    Radius,
    Seed,
    SlidePath,
    chosen_table,
    optional,
    words,
)
from napari_scfm.cli.tables import write_csv
from napari_scfm.errors import ScfmError, counted, named

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.neighbourhoods import Enrichment
    from napari_scfm.experiments.attention.resource import Resource
    from napari_scfm.progress import ProgressCallback

WHAT = ("enrichment", "co-occurrence", "moran", "ligrec")
TOP = 8
"""Rows that are printed."""


def neighbours(
    path: SlidePath,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR|OUT.h5ad",
            help="A folder for one CSV table each, or a table with squidpy's keys.",
        ),
    ],
    key: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Column of cell types or clusters."),
    ] = keys.CELL_TYPE,
    what: Annotated[
        str,
        typer.Option(metavar="A,B", help=f"One or more of {', '.join(WHAT)}."),
    ] = "enrichment",
    fov: Fovs = "",
    nearest: Annotated[
        int | None,
        optional("K", "Neighbours: so many nearest cells; default: 6.", min=1),
    ] = None,
    radius: Radius = None,
    reach: Annotated[
        float, typer.Option(metavar="UM", help="co-occurrence: furthest distance.")
    ] = 150.0,
    layer: Annotated[
        str,
        optional(
            "KEY",
            "moran: predicted counts to rank beside the measured ones, as "
            "`impute` writes them (MODEL_imputed).",
        ),
    ] = "",
    pairs: Annotated[
        Path | None,
        optional(
            "FILE",
            "ligrec: a CSV file with the columns ligand and receptor; default: "
            "LIANA's consensus, from the installed package.",
        ),
    ] = None,
    permutations: Annotated[
        int, typer.Option(min=2, metavar="N", help="Shuffles of enrichment and ligrec.")
    ] = 1000,
    seed: Seed = 0,
) -> None:
    """Say which kinds of cells lie beside which, each FOV by itself.

    Runs squidpy: neighbourhood enrichment, co-occurrence over distance, Moran's I of
    genes, and the ligand-receptor test, which compares kinds of cells wherever they
    lie and is not evidence of communication.

    Example: napari-scfm neighbours sample_data/cosmx_synthetic --what enrichment,moran
    -o near.h5ad
    """
    from napari_scfm.analysis.neighbourhoods import kinds_of
    from napari_scfm.cli.bar import progress_bar

    asked = _asked(what, pairs, layer)
    table = _table(path, fov, out)
    if set(asked) - {"moran"}:
        kinds_of(table, key)
    listed = _listed(table, pairs) if "ligrec" in asked else None
    run = _Run(table, key, seed, permutations, reach, layer, listed)
    with progress_bar("Neighbours") as progress:
        run.all(asked, {"neighbours": nearest, "radius": radius}, progress)
    for line in run.lines:
        typer.echo(line)
    if out.suffix == ".h5ad":
        table.uns[keys.UNS] = {**table.uns.get(keys.UNS, {}), "neighbours": run.about}
        write_table(table, out, ", ".join(run.stored))
    else:
        _write(run.frames, out)


def _asked(what: str, pairs: Path | None, layer: str) -> list[str]:
    """Refuse options that do not fit together, before anything is read."""
    asked = list(dict.fromkeys(words(what)))
    unknown = [word for word in asked if word not in WHAT]
    if unknown or not asked:
        raise ScfmError(
            f"--what cannot be {named(unknown) or 'empty'}.",
            f"Choose of {', '.join(WHAT)}, joined by commas.",
        )
    if pairs is not None and "ligrec" not in asked:
        raise ScfmError("--pairs is for ligrec, which is not asked for.", "Add it.")
    if layer and "moran" not in asked:
        raise ScfmError("--layer is for moran, which is not asked for.", "Add it.")
    return asked


def _listed(table: AnnData, pairs: Path | None) -> Resource:
    from napari_scfm.experiments.attention.resource import resource_for

    return resource_for(table, pairs)


def _table(path: Path, fov: str, out: Path) -> AnnData:
    """Return the table, once it is sure that the results can be written."""
    from napari_scfm.experiments.files import check_writable
    from napari_scfm.slides.read import read_slide

    if out.suffix == ".h5ad":
        return loaded_table(path, fov, out)
    if out.suffix or out.is_file():
        raise ScfmError(
            f"{out} is neither a folder nor a table.",
            "Name a folder, or a file that ends in .h5ad.",
        )
    check_writable(out / "any.csv")
    return chosen_table(read_slide(path), fov)


@dataclass
class _Run:
    """What was asked for, and what was found.

    Attributes
    ----------
    lines
        To print.
    frames
        File name -> table.
    stored
        Keys of the table.
    about
        How it was made.
    """

    table: AnnData
    key: str
    seed: int
    permutations: int
    reach: float
    layer: str
    listed: Resource | None
    lines: list[str] = field(default_factory=list)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def all(
        self, asked: list[str], near: dict[str, Any], progress: ProgressCallback
    ) -> None:
        """Run everything that was asked for, in order."""
        from importlib.metadata import version

        from napari_scfm.analysis.neighbourhoods import spatial_graph

        self.about |= {"key": self.key, "what": asked, "seed": self.seed}
        self.about |= {"permutations": self.permutations, "squidpy": version("squidpy")}
        if {"enrichment", "moran"} & set(asked):
            self._graph = spatial_graph(self.table, **near, progress=progress)
            self.about["graph"] = self._graph.about
            self._graph.store(self.table)
            self.stored.append("obsp['spatial_connectivities']")
        acts = {
            "enrichment": self._enrichment,
            "co-occurrence": self._co_occurrence,
            "moran": self._moran,
            "ligrec": self._ligrec,
        }
        for word in asked:
            acts[word](progress)

    def _keep(self, made: Any, name: str, frame: pd.DataFrame) -> None:
        made.store(self.table)
        self.frames[f"{name.replace('-', '_')}.csv"] = frame

    def _enrichment(self, progress: ProgressCallback) -> None:
        from napari_scfm.analysis.neighbourhoods import enrichment

        made = enrichment(
            self.table,
            self.key,
            graph=self._graph,
            permutations=self.permutations,
            seed=self.seed,
            progress=progress,
        )
        self._keep(made, "enrichment", made.frame())
        self.stored.append(f"uns['{self.key}_nhood_enrichment']")
        self.lines += _told(made)

    def _co_occurrence(self, progress: ProgressCallback) -> None:
        from napari_scfm.analysis.neighbourhoods import co_occurrence

        made = co_occurrence(self.table, self.key, reach=self.reach, progress=progress)
        self.about["reach_um"] = self.reach
        self._keep(made, "co-occurrence", made.frame())
        self.stored.append(f"uns['{self.key}_co_occurrence']")
        self.lines.append(
            f"co-occurrence of {counted(len(made.names), 'kind')} up to "
            f"{self.reach:g} um, mean of {counted(made.fovs, 'FOV')}"
        )

    def _moran(self, progress: ProgressCallback) -> None:
        from napari_scfm.analysis.neighbourhoods import moran, store_moran

        layer = self.layer or None
        self.about |= {"layer": layer} if layer else {}
        made = moran(self.table, layer=layer, graph=self._graph, progress=progress)
        store_moran(self.table, made, layer)
        self.frames["moran.csv"] = made.reset_index()
        self.stored += ["uns['moranI']"]
        self.stored += [f"uns['{layer}_moranI']"] if layer else []
        shown = [name for name in ("I", "q_value", "I_predicted") if name in made]
        self.lines.append(f"Moran's I ({self._graph.about}), the largest:")
        first = made[shown].head(TOP).to_string(float_format=_short)
        self.lines.append(first)
        if layer:
            self.lines.append(
                "Predictions are smoother than counts: a larger I is not a better one."
            )

    def _ligrec(self, progress: ProgressCallback) -> None:
        from napari_scfm.analysis.neighbourhoods import ligand_receptor_test

        listed = self.listed
        assert listed is not None
        made = ligand_receptor_test(
            self.table,
            self.key,
            listed.pairs,
            permutations=self.permutations,
            seed=self.seed,
            progress=progress,
        )
        self._keep(made, "ligrec", made.rows)
        self.stored.append(f"uns['{self.key}_ligrec']")
        self.about["pairs"] = listed.name
        shown = ["ligand", "receptor", "sender", "receiver", "mean", "q_value"]
        rows = made.rows[shown].head(TOP)
        self.lines.append(f"{listed.name}: {made.sentence}")
        self.lines.append(rows.to_string(index=False, float_format="%.3g"))


def _short(value: float) -> str:
    """Return a number; what no test can show is a limit."""
    return "< 1e-15" if abs(value) < 1e-15 else f"{value:.3g}"


def _told(made: Enrichment) -> list[str]:
    """Return the pairs of kinds that stand out most, in sentences."""
    rows = made.frame().dropna(subset="z")
    order = rows["z"].abs().sort_values(ascending=False, kind="stable").index
    some = rows.loc[order].head(TOP)
    head = (
        f"enrichment of {made.key} ({made.graph.about}; {made.permutations} shuffles "
        "of the names within each FOV):"
    )
    pairs = zip(some["kind"], some["neighbour"], strict=True)
    return [head, *(f"  {made.sentence(*pair)}" for pair in pairs)]


def _write(frames: dict[str, pd.DataFrame], folder: Path) -> None:
    for name, frame in frames.items():
        write_csv(frame, folder / name, counted(len(frame), "row"), index=False)
