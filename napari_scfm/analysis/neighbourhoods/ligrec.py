"""Ligand-receptor test: pairs of genes between kinds of cells, through squidpy.

The permutation test of CellPhoneDB (Efremova et al. 2020) as squidpy has it: the mean
of ligand and receptor in two kinds of cells, against the same with the kinds shuffled
over all cells. It asks which kinds express a pair, not where they lie, and knows no
FOVs; it is not evidence of communication. Pairs come from the user, so that nothing is
downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm.analysis.neighbourhoods.adjust import adjusted
from napari_scfm.analysis.neighbourhoods.graph import bare_table
from napari_scfm.analysis.neighbourhoods.kinds import Kinds, kinds_of
from napari_scfm.analysis.neighbourhoods.quiet import quiet_squidpy
from napari_scfm.errors import ScfmError, counted
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback

_BLOCK = 200
"""Permutations between two reports."""

_SIDES = ("source", "target")
_KINDS = ("cluster_1", "cluster_2")


@dataclass(frozen=True, eq=False)
class LigandReceptorTest:
    """Pairs of genes between pairs of kinds.

    Attributes
    ----------
    kinds
        Of all cells of the table.
    rows
        One row per pair of molecules and pair of kinds: ligand, receptor (as asked
        for), source, target (the genes that were tested, in capitals as squidpy has
        them), sender, receiver (kinds), mean (of both genes' mean levels), p_value
        ``(1 + b) / (1 + B)``, q_value (Benjamini and Hochberg 1995, over all that were
        tested). Not tested, NaN: a gene in fewer cells of a kind than the threshold.
    permutations, seed
        B, and its seed.
    listed
        Pairs of molecules that were asked for.
    """

    kinds: Kinds
    rows: pd.DataFrame
    permutations: int
    seed: int
    listed: int

    @property
    def key(self) -> str:
        """Name of the column."""
        return self.kinds.key

    @property
    def sentence(self) -> str:
        """What was found, in one sentence."""
        tested = self.rows.dropna(subset="p_value")
        sure = int((tested["q_value"] <= 0.05).sum())
        held = len(self.rows[["source", "target"]].drop_duplicates())
        return (
            f"The panel holds {held} of {counted(self.listed, 'pair')}; {sure:,} of "
            f"{len(tested):,} tests keep q <= 0.05 ({self.permutations} shuffles of "
            f"{self.key}). It compares kinds of cells, wherever they lie; it is not "
            "evidence of communication."
        )

    def store(self, table: AnnData) -> None:
        """Write the rows to ``uns["<key>_ligrec"]``; :func:`ligrec_of` reads them.

        squidpy keeps frames with two-fold indices there, which no .h5ad file takes.
        """
        self.kinds.keep(table)
        rows = self.rows.copy()
        rows.index = rows.index.astype(str)
        table.uns[f"{self.key}_ligrec"] = rows


def ligrec_of(table: AnnData, key: str) -> dict[str, pd.DataFrame]:
    """Return a stored test as ``squidpy.gr.ligrec`` does, for ``squidpy.pl.ligrec``.

    Parameters
    ----------
    table
        As it was stored, or read from a file.
    key
        Column of the kinds.

    Returns
    -------
    "means" and "pvalues" (pairs of genes x pairs of kinds), and "metadata".

    Raises
    ------
    ScfmError
        If the table holds no test of that column.
    """
    import pandas as pd

    rows = table.uns.get(f"{key}_ligrec")
    if not isinstance(rows, pd.DataFrame):
        raise ScfmError(
            f"The table holds no ligand-receptor test of {key!r}.",
            "Run `napari-scfm neighbours --what ligrec` on it.",
        )
    wide = rows.rename(columns={"sender": _KINDS[0], "receiver": _KINDS[1]})
    text = [*_SIDES, *_KINDS]
    wide = wide.astype(dict.fromkeys(text, str))
    made = {}
    for name, column in (("means", "mean"), ("pvalues", "p_value")):
        values = wide.set_index(text)[column].unstack(list(_KINDS))
        made[name] = values.sort_index(axis=0).sort_index(axis=1)
    first = wide.drop_duplicates(list(_SIDES)).set_index(list(_SIDES))
    made["metadata"] = first.loc[made["means"].index, ["ligand", "receptor"]]
    return made


def ligand_receptor_test(
    table: AnnData,
    key: Any,
    pairs: Iterable[tuple[str, str]],
    *,
    permutations: int = 1000,
    threshold: float = 0.01,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> LigandReceptorTest:
    """Test which pairs of kinds of cells express which ligand-receptor pairs.

    Parameters
    ----------
    table
        Raw counts; levels are log1p of counts at equal depth.
    key
        See :func:`.kinds_of`.
    pairs
        (ligand, receptor); subunits of a complex are joined by "_" and must all be
        on the panel, squidpy takes the scarcest.
    permutations, seed
        Shuffles of the kinds over all cells.
    threshold
        Share of the cells of a kind in which a gene must be found.
    progress
        Told after every 200 shuffles.

    Raises
    ------
    ScfmError
        If there are fewer than two kinds, or the panel holds none of the pairs.
    """
    kinds = kinds_of(table, key)
    asked = list(dict.fromkeys((str(a).strip(), str(b).strip()) for a, b in pairs))
    panel = {str(gene).upper() for gene in table.var_names}
    held = [pair for pair in asked if _genes(pair) and _genes(pair) <= panel]
    if not held or permutations < 1:
        raise ScfmError(
            f"The panel of {counted(table.n_vars, 'gene')} holds both genes of none of "
            f"{counted(len(asked), 'pair')}."
            if permutations > 0
            else f"{permutations} shuffles are none.",
            "Name another list, or one for this species."
            if permutations > 0
            else "Ask for 1000.",
        )
    bare = _levels(table, kinds, set().union(*map(_genes, held)))
    made = _squidpy(bare, held, permutations, threshold, seed, progress)
    return LigandReceptorTest(
        kinds, _rows(made, permutations), permutations, seed, len(asked)
    )


def _genes(pair: tuple[str, str]) -> set[str]:
    return {part.upper() for name in pair for part in name.split("_") if part}


def _levels(table: AnnData, kinds: Kinds, genes: set[str]) -> AnnData:
    """Return the levels of some genes, of cells that are of a kind."""
    known = np.flatnonzero(kinds.codes >= 0)
    columns = [at for at, g in enumerate(table.var_names) if str(g).upper() in genes]
    counts = sparse.csr_array(table.X, dtype=np.float64)[known]
    depth = np.asarray(counts.sum(axis=1)).ravel()
    usual = float(np.median(depth[depth > 0])) if (depth > 0).any() else 1.0
    factor = np.divide(usual, depth, out=np.zeros_like(depth), where=depth > 0)
    scaled = sparse.csr_matrix(counts[:, columns].multiply(factor[:, None]))
    scaled.data = np.log1p(scaled.data)
    bare = bare_table(np.zeros((len(known), 2)), np.zeros(len(known)), None, scaled)
    bare.var_names = [str(table.var_names[at]).upper() for at in columns]
    bare.obs["kind"] = kinds.column()[known]
    return bare


def _squidpy(
    bare: AnnData,
    pairs: Sequence[tuple[str, str]],
    permutations: int,
    threshold: float,
    seed: int,
    progress: ProgressCallback | None,
) -> Mapping[str, pd.DataFrame]:
    """Return squidpy's result; its p-values are counts of shuffles here."""
    import pandas as pd

    asked = pd.DataFrame(pairs, columns=["ligand", "receptor"])
    for side, column in zip(_SIDES, asked.columns, strict=True):
        asked[side] = asked[column]
    made: dict[str, pd.DataFrame] = {}
    for start in range(0, permutations, _BLOCK):
        report(progress, start, permutations, "Shuffling kinds of cells")
        number = min(_BLOCK, permutations - start)
        with quiet_squidpy() as squidpy:
            found = squidpy.gr.ligrec(
                bare,
                "kind",
                interactions=asked.copy(),
                threshold=threshold,
                use_raw=False,
                copy=True,
                n_perms=number,
                seed=seed + start,
                show_progress_bar=False,
            )
            beyond = found["pvalues"].sparse.to_dense() * number
            means = found["means"].sparse.to_dense()
        if made:
            beyond += made["beyond"].loc[beyond.index, beyond.columns]
        made = {"beyond": beyond, "means": means, "metadata": found["metadata"]}
    report(progress, permutations, permutations, "Shuffling kinds of cells")
    return made


def _rows(made: Mapping[str, pd.DataFrame], permutations: int) -> pd.DataFrame:
    import pandas as pd

    means, beyond, asked = made["means"], made["beyond"], made["metadata"]
    count = means.shape[1]
    rows = pd.DataFrame(
        {
            "ligand": np.repeat(asked["ligand"].to_numpy(), count),
            "receptor": np.repeat(asked["receptor"].to_numpy(), count),
        }
    )
    for level, name in enumerate(_SIDES):
        rows[name] = np.repeat(means.index.get_level_values(level).to_numpy(), count)
    for level, name in enumerate(("sender", "receiver")):
        kinds = means.columns.get_level_values(level).to_numpy()
        rows[name] = np.tile(kinds, len(means))
    rows["mean"] = means.to_numpy().ravel()
    rows["p_value"] = (1 + np.round(beyond.to_numpy().ravel())) / (1 + permutations)
    rows["q_value"] = adjusted(rows["p_value"].to_numpy())
    order = np.lexsort((-rows["mean"], rows["p_value"].fillna(2)))
    return rows.iloc[order].reset_index(drop=True)
