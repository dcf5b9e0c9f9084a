"""CSV tables of commands: refused before anything runs, then written whole."""

from __future__ import annotations

import pandas as pd
import pytest

from napari_scfm.cli.tables import check_csv, write_csv
from napari_scfm.errors import ScfmError


def test_what_is_no_csv_table_is_refused(tmp_path):
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    for path in (tmp_path / "a.txt", tmp_path / "a", folder):
        with pytest.raises(ScfmError, match="is no table"):
            check_csv(None, tmp_path / "good.csv", path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ScfmError, match="cannot be written"):
        check_csv(tmp_path / "file" / "a.csv")
    check_csv(None)


def test_where_a_table_is_stands_on_stderr(tmp_path, capsys):
    path, frame = tmp_path / "a.csv", pd.DataFrame({"n": [1, 2]})
    write_csv(frame, path, "2 rows", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(path), frame)
    said = capsys.readouterr()
    assert said.err == f"{path}: 2 rows\n"
    assert not said.out
