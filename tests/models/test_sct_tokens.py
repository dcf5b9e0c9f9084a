"""Tokens, bins and genes of sCT, against what the released code made."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import softmax

from napari_scfm.errors import ModelError
from napari_scfm.models.sct.config import padded
from napari_scfm.models.sct.debin import bin_chances, middles, ranges_of, value_of
from napari_scfm.models.sct.genes import columns_of, find_genes, read_genes
from napari_scfm.models.sct.tokens import MASK, PAD, tokenise
from napari_scfm.models.sct.values import make_values, to_counts


def csr(rows):
    return sparse.csr_array(np.asarray(rows, dtype=np.float64))


@pytest.fixture(scope="module")
def case(shared):
    folder = shared / "parity" / "sct" / "preprocess"
    return (
        folder,
        json.loads((folder / "case.json").read_text()),
        np.load(folder / "case.npz"),
    )


def write_maps(folder, said):
    for name in ("ensembl_id_vocab", "protein_gene_map"):
        (folder / f"{name}.json").write_text(json.dumps(said[name]))


def test_tokens_and_edges_are_those_of_the_released_code(case, tmp_path):
    _, said, arrays = case
    write_maps(tmp_path, said)
    genes = find_genes(tmp_path / "params.joblib")
    columns = columns_of(pd.DataFrame(index=said["var_ids"]), genes, "sct")
    first = np.full(len(said["var_ids"]), -1)
    first[columns.columns] = columns.positions
    np.testing.assert_array_equal(first, arrays["gene_map_first_columns"])

    width = padded(len(genes), said["num_downsamples"])
    counts = columns.gather(sparse.csr_array(arrays["X"]), len(genes))
    values = make_values(counts, "as_is")
    tokens = tokenise(values.matrix)
    seen = np.flatnonzero(~tokens.blank)
    assert list(np.flatnonzero(tokens.blank)) == [3, 5]
    k = said["num_cells"]
    for number in range(said["n_batches"]):
        # the loader skips blank cells and begins again after the last one
        cells = seen[np.arange(number * k, number * k + k) % len(seen)]
        np.testing.assert_array_equal(
            tokens.dense(cells, len(genes), width).ravel(),
            arrays[f"batch{number}.gene_expressions"][0],
        )
        edges = np.concatenate([tokens.edges(cell) for cell in cells])
        np.testing.assert_allclose(edges, arrays[f"batch{number}.bins"][0], atol=1e-6)
        raw = values.matrix[cells].toarray()
        pads = np.full((k, width - len(genes)), float(PAD))
        np.testing.assert_allclose(
            np.concatenate([raw, pads], axis=1).ravel(),
            arrays[f"batch{number}.raw_gene_expressions"][0],
        )


def test_values_on_an_edge_go_up_and_equal_values_are_token_1():
    tokens = tokenise(csr([[1, 2, 3, 5, 9, 0], [4, 4, 0, 0, 0, 0], [0] * 6]))
    np.testing.assert_array_equal(
        tokens.matrix.toarray(), [[1, 1, 2, 3, 4, 0], [1, 1, 0, 0, 0, 0], [0] * 6]
    )
    np.testing.assert_allclose(tokens.edges(0), [1, 3, 5, 7, 9.01])
    np.testing.assert_allclose(tokens.edges(1), [3.9, 4.1])
    assert list(tokens.blank) == [False, False, True]
    assert padded(19965, 8) == 19968
    assert MASK == 5


def test_how_counts_become_values():
    counts = csr([[3, 1, 0], [0, 0, 0]])
    plain = make_values(counts)
    assert plain.setting == "log1p_counts"
    np.testing.assert_allclose(plain.matrix.toarray()[0], np.log1p([3, 1, 0]))
    assert np.isnan(plain.factor[1])
    deep = make_values(counts, "log_normalized")
    np.testing.assert_allclose(deep.matrix.toarray()[0], np.log1p([7500, 2500, 0]))
    back = to_counts(deep.matrix.toarray()[:1], deep.factor[:1])
    np.testing.assert_allclose(back, [[3, 1, 0]])
    more = make_values(counts, "log_normalized", total=np.array([8.0, 0]))
    np.testing.assert_allclose(more.factor, [1250, np.nan])
    odd = make_values(csr([[0.5, 1.7, 0]]))
    assert odd.setting == "as_is"
    np.testing.assert_allclose(odd.matrix.toarray(), [[0.5, 1.7, 0]])
    # volumes of cells, not logarithms
    assert make_values(csr([[0.5, 1.7, 90]])).setting == "log1p_counts"
    scaled = csr(np.arange(1, 6) * np.array([[0.3], [0.7], [1.1]]))
    assert make_values(scaled).setting == "log1p_counts"
    scaled.data = np.log1p(scaled.data)
    assert make_values(scaled).setting == "as_is"
    with pytest.raises(ModelError, match="no setting 'log2'"):
        make_values(counts, "log2")


def test_rare_genes_are_emptied_in_whole_transcriptomes_only():
    counts = sparse.lil_array((1000, 5000))
    counts[0, 0], counts[1, 1], counts[2, 2] = 2, 3, 1
    made = make_values(sparse.csr_array(counts))
    assert made.rare == 2
    assert list(made.matrix.indices) == [1]
    panel = make_values(sparse.csr_array(counts)[:, :400])
    assert panel.rare == 0
    assert make_values(sparse.csr_array(counts)[:, :400], "auto", 0.003).rare == 2
    assert make_values(sparse.csr_array(counts)[:, :400], measured=6000).rare == 2


def test_a_value_is_the_weighted_sum_of_the_middles_of_the_bins():
    level = np.concatenate([[[0.0]], middles(np.array([1.0]), np.array([9.0]))], axis=1)
    np.testing.assert_allclose(level, [[0, 2, 4, 6, 8]])
    p = np.array([[[0.5, 0.2, 0.1, 0.1, 0.1]]])
    value = value_of(p, level)
    np.testing.assert_allclose(value, 2.2)
    np.testing.assert_allclose(to_counts(value, np.ones(1)), 8.025, atol=1e-3)
    np.testing.assert_allclose(value_of(p, level, "likeliest"), 0)
    logits = np.random.default_rng(0).normal(size=(3, 7))
    np.testing.assert_allclose(bin_chances(logits), softmax(logits[:, :5], axis=1))


def test_hidden_cells_borrow_the_ranges_of_the_visible_ones():
    tokens = tokenise(csr([[1, 5, 0], [0, 0, 0], [3, 7, 0], [2, 12, 2.5]]))
    factor = np.array([10, np.nan, 20, 60])
    cells = np.array([2, 1, 0, 3])
    found = ranges_of(cells, tokens, factor)
    np.testing.assert_allclose(
        found.levels[1], [0, *middles(*np.array([[2.0], [7]]))[0]]
    )
    np.testing.assert_allclose(found.factor, [20, 20, 10, 60])
    seen = ranges_of(cells, tokens, factor, "observed")
    np.testing.assert_allclose(seen.levels[3], [0, 2.25, 5.75, 8.25, 12])
    alone = ranges_of(np.array([1]), tokens, factor)
    np.testing.assert_allclose(
        alone.levels[0], [0, *middles(*np.array([[2.0], [7]]))[0]]
    )
    nobody = ranges_of(np.array([0]), tokenise(csr([[0, 0]])), factor[1:2])
    assert np.isnan(nobody.levels[0, 1:]).all()


GENES = ("ENSG00000141510", "ENSG00000146648", "position-2", "ENSG00000012048")


def test_columns_of_one_gene_are_summed_and_said():
    var = pd.DataFrame(index=["TP53", "ENSG00000141510.4", "EGFR", "NOSUCH"])
    columns = columns_of(var, GENES, "sct")
    assert list(columns.measured) == [0, 1]
    summed = columns.gather(csr([[1, 2, 4, 8]]), 4)
    np.testing.assert_array_equal(summed.toarray(), [[3, 4, 0, 0]])
    said = " ".join(columns.sentences())
    assert (
        "1 added to another column that is the same gene: ENSG00000141510.4" not in said
    )
    assert "1 added to another column that is the same gene: TP53" in said
    assert "1 not known to the model: NOSUCH" in said


def test_gene_tables(tmp_path, shared):
    table = tmp_path / "genes.csv"
    table.write_text("position,ensembl_id\n1,ENSG00000146648.3\n0,TP53\n2,\n")
    assert read_genes(table) == ("TP53", "ENSG00000146648", "position-2")
    assert find_genes(tmp_path / "jax_params" / "params.joblib") == read_genes(tmp_path)
    table.write_text("position,ensembl_id\n0,A\n2,B\n")
    with pytest.raises(ModelError, match="missing: 1"):
        read_genes(table)
    table.write_text("position,ensembl_id\n0,A\n0,B\n")
    with pytest.raises(ModelError, match="1 position twice"):
        read_genes(table)
    table.write_text("a,b\n0,A\n")
    with pytest.raises(ModelError, match="columns a, b, not position"):
        read_genes(table)
    table.unlink()
    assert find_genes(tmp_path / "params.joblib") is None
    with pytest.raises(ModelError, match="holds no order of genes"):
        read_genes(tmp_path)
    released = read_genes(shared / "reference" / "sct_genes.csv")
    assert len(released) == 19965
    assert sum(name.startswith("position-") for name in released) == 27
