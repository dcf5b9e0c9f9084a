"""Files of models appear whole or not at all."""

from __future__ import annotations

import json

import pytest

from napari_scfm.models.files import write_json


def test_a_file_that_is_not_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "config.json"
    write_json(path, {"name": "old"})
    with pytest.raises(TypeError):
        write_json(path, {"name": "new", "bad": object()})
    assert json.loads(path.read_text()) == {"name": "old"}
    assert list(tmp_path.iterdir()) == [path]
    write_json(path, {"name": "new"})
    assert json.loads(path.read_text()) == {"name": "new"}
    assert path.stat().st_mode & 0o777 == 0o644
