"""Files that appear whole."""

from __future__ import annotations

import os

import anndata as ad
import numpy as np
import pytest

from napari_scfm.experiments.files import atomic_path, write_h5ad


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_what_is_written(tmp_path):
    path = write_h5ad(ad.AnnData(np.ones((2, 2), np.float32)), tmp_path / "t.h5ad")
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_that_was_not_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def stop_half_way() -> None:
        with atomic_path(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
