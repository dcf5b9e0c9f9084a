"""Score predictions of hidden entries against the table's own counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm.analysis.metrics import cell_metrics, gene_metrics, summarise
from napari_scfm.analysis.pooled import pooled_metrics
from napari_scfm.experiments.result import ExperimentResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.experiments.result import Prediction
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.masks.mask import Mask


def score(
    spec: ExperimentSpec,
    table: AnnData,
    mask: Mask,
    predictions: Sequence[Prediction],
    notes: Sequence[str] = (),
) -> ExperimentResult:
    """Return the result of an experiment.

    All rows are scored on the same entries: those that every model can predict.

    Parameters
    ----------
    spec
        What was run.
    table
        The truth: raw counts, nothing hidden.
    mask
        What was hidden, in the table's order.
    predictions
        Of the mask's entries, in the order of its CSR matrix.
    notes
        What the reader of the numbers must know.
    """
    import pandas as pd

    genes = mask.touched_genes
    entries = mask.matrix.tocoo()
    column = np.where(touched := np.isin(mask.genes, genes), touched.cumsum() - 1, -1)
    at = (entries.row, column[entries.col])
    counts = sparse.csr_array(table.X, dtype=np.float32).toarray()
    truth = counts[:, column >= 0]
    hidden = np.zeros(truth.shape, dtype=bool)
    everybody = np.isfinite([one.values for one in predictions]).all(axis=0)
    hidden[at[0][everybody], at[1][everybody]] = True
    summary: list[dict[str, Any]] = []
    per_gene: list[pd.DataFrame] = []
    per_cell: list[pd.DataFrame] = []
    for one in predictions:
        values = np.full(truth.shape, np.nan, np.float32)
        values[at] = one.values
        row = {"model": one.name, "kind": one.kind}
        scores = summarise(truth, values, hidden, counts)
        scores |= pooled_metrics(truth, values, hidden, counts.sum(axis=1))
        summary.append(row | scores | _left_out(one, genes))
        by_gene = gene_metrics(truth, values, hidden)
        per_gene.append(pd.DataFrame({**row, "gene": genes, **by_gene}))
        by_cell = pd.DataFrame(
            {**row, "cell": mask.cells, **cell_metrics(truth, values, hidden)}
        )
        per_cell.append(by_cell.loc[np.flatnonzero(hidden.any(axis=1))])
    return ExperimentResult(
        spec,
        mask.cells,
        [str(gene) for gene in genes],
        at[0],
        at[1],
        truth[at],
        tuple(predictions),
        pd.DataFrame(summary),
        pd.concat(per_gene, ignore_index=True),
        pd.concat(per_cell, ignore_index=True),
        list(notes),
    )


def _left_out(one: Prediction, genes: list[str]) -> dict[str, Any]:
    return {
        "n_genes_unlearnable": len(set(one.unlearnable) & set(genes)),
        "n_entries_unpredicted": int(np.isnan(one.values).sum()),
    }
