"""What a table must hold, and what a CSV must look like."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_scfm.errors import SlideError
from napari_scfm.slides.checks import check_counts, check_table, fractional_genes
from napari_scfm.slides.counts import is_control
from napari_scfm.slides.csvfile import CsvFile


def test_all_problems_come_together():
    counts = np.ones((3, 3))
    counts[0, 1], counts[2, 2], counts[1, 0] = np.nan, -2, np.inf
    with pytest.raises(SlideError) as error:
        check_counts(counts, ["A", "B", "C"], ["x", "y", "z"], "t.csv")
    text = str(error.value)
    assert "t.csv" in text
    assert len(error.value.problems) == 3
    assert "missing (NaN): cell x, gene B" in text
    assert "infinite: cell y, gene A" in text
    assert "negative: cell z, gene C" in text


def test_the_first_cells_are_named_and_the_rest_counted():
    with pytest.raises(SlideError, match="12 counts are negative") as error:
        check_counts(-np.ones((4, 3)), list("ABC"), list("wxyz"), "t")
    assert "cell w, gene A; cell w, gene B; cell w, gene C; and 9 more" in str(
        error.value
    )


def test_a_good_table_passes():
    check_counts(sparse.csr_matrix(np.eye(3)), list("ABC"), list("xyz"), "t")


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_names_and_coordinates():
    table = ad.AnnData(
        sparse.csr_matrix(np.eye(3)),
        obs=pd.DataFrame(index=["x", "x", "y"]),
        var=pd.DataFrame(index=["A", "B", "B"]),
    )
    with pytest.raises(SlideError) as error:
        check_table(table, "t.h5ad")
    text = str(error.value)
    assert "1 gene names occur more than once: B" in text
    assert "1 cell names occur more than once: x" in text
    assert "no coordinates" in text
    table.obs_names, table.var_names = list("xyz"), list("ABC")
    check_table(table, "t.h5ad", coordinates=False)
    table.obsm["spatial"] = np.array([[0, 1], [2, np.inf], [3, 4]])
    with pytest.raises(SlideError, match="1 cell has no finite coordinates: y"):
        check_table(table, "t.h5ad")


def test_fractional_genes():
    counts = sparse.csr_matrix([[1, 0.5, 0], [2, 0, 1.25]])
    assert fractional_genes(counts, ["A", "B", "C"]) == ["B", "C"]


@pytest.mark.parametrize(
    "name",
    ["NegPrb1", "Negative12", "SystemControl3", "Blank-7", "NegControlProbe_00042"],
)
def test_control_names(name):
    assert is_control(name)


@pytest.mark.parametrize(
    "name", ["NEGR1", "Blnk", "CD4", "HLA-A", "SYSTEM", "Negative"]
)
def test_gene_names_are_no_controls(name):
    assert not is_control(name)


def test_quoted_commas_are_one_value(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"fov","note"\n1,"left, top"\n2,"right"\n')
    frame = CsvFile(path).frame()
    assert frame["note"].tolist() == ["left, top", "right"]


def test_every_bad_row_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("fov,x\n1,2\n1\n1,2,3\n1,2\n")
    with pytest.raises(SlideError, match="2 rows are like this") as error:
        CsvFile(path).frame()
    assert "row 3: 1 values" in str(error.value)
    assert "row 4: 3 values" in str(error.value)


def test_an_empty_file_and_a_folder(tmp_path):
    path = tmp_path / "a.csv"
    path.touch()
    with pytest.raises(SlideError, match="is empty"):
        CsvFile(path)
    with pytest.raises(SlideError, match="cannot be read"):
        CsvFile(tmp_path)


def test_blocks_are_right_while_another_thread_reads_the_file(tmp_path):
    path = tmp_path / "a.csv.gz"
    text = "fov,x\n" + "".join(f"{i % 50},{i}\n" for i in range(5000))
    path.write_bytes(gzip.compress(text.encode()))
    file = CsvFile(path)
    runs = file.index(0)
    alone = {fov: file.block(run) for fov, run in runs.items()}
    with file.kept_open(), ThreadPoolExecutor(4) as pool:
        together = dict(zip(runs, pool.map(file.block, runs.values()), strict=True))
    assert together == alone


def test_blocks_of_rows_that_are_not_together(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("fov,x\n1,a\n2,b\n1,c")
    file = CsvFile(path)
    assert file.block(file.index(0)[b"1"]) == b"1,a\n1,c\n"
    assert file.index(0)[b"1"][1].row == 4
