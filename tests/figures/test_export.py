from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile
from anndata import AnnData
from PIL import Image
from scipy import sparse

from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.analysis.streams.streamlines import (
    StreamLook,
    draw_streams,
    streamlines,
)
from napari_scfm.errors import ScfmError
from napari_scfm.figures.export import compose, export_figure, shown_part
from napari_scfm.figures.layout import nice_length, nice_ticks, wrap
from napari_scfm.figures.overlay import clipped
from napari_scfm.figures.paint import Window, add_channels
from napari_scfm.figures.palette import categorical, lut
from napari_scfm.figures.panel import UNKNOWN, Channel, Panel, Streams
from napari_scfm.figures.panels import (
    attention_panel,
    channel_styles,
    cluster_panel,
    compare_panels,
    gene_panel,
    named_panel,
)
from napari_scfm.models.attention import Attention
from napari_scfm.slides.slide import FieldOfView

if TYPE_CHECKING:
    from pathlib import Path

EDGE, ROWS, COLUMNS = 20, 4, 6
CELLS = ROWS * COLUMNS


def _fov(labels: bool = True, shape=(ROWS * EDGE, COLUMNS * EDGE)) -> FieldOfView:
    """Return 24 square cells of 20 pixels (2 um) in 4 rows, numbered by row."""
    grid = np.arange(1, CELLS + 1, dtype=np.uint16).reshape(ROWS, COLUMNS)
    image = np.zeros(shape, dtype=np.uint16)
    image[: ROWS * EDGE, : COLUMNS * EDGE] = grid.repeat(EDGE, 0).repeat(EDGE, 1)
    row, column = np.divmod(np.arange(CELLS), COLUMNS)
    counts = np.stack([np.arange(CELLS), np.zeros(CELLS)], axis=1)
    obs = pd.DataFrame(
        {
            "fov": "F1",
            "cell_type": pd.Categorical(np.where(column < 3, "left", "right")),
            "area": np.linspace(1, 2, CELLS),
            "demo_cluster": [str(i % 12) for i in range(CELLS)],
            "barcode": [f"cell{i}" for i in range(CELLS)],
        },
        index=[f"c{i}" for i in range(CELLS)],
    )
    table = AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=obs,
        var=pd.DataFrame(index=["GENE1", "ZERO"]),
        obsm={"spatial": (np.stack([column, row], 1) + 0.5) * EDGE * 0.1},
    )
    dapi = np.zeros(shape, dtype=np.uint16)
    dapi[:, : shape[1] // 2] = 1000
    return FieldOfView(
        "F1",
        pixel_size=0.1,
        shape=shape,
        read_table=lambda: table,
        read_labels=lambda: image if labels else None,
        images={"DAPI": dapi},
    )


@pytest.fixture
def fov() -> FieldOfView:
    return _fov()


def _picture(fov: FieldOfView, panel: Panel | str, **options) -> np.ndarray:
    """Return the pixels of the only panel of a figure."""
    panel = named_panel(fov, panel) if isinstance(panel, str) else panel
    return np.asarray(compose(fov, [panel], **options).axes[0].images[0].get_array())


def _at(picture: np.ndarray, cell: int) -> np.ndarray:
    """Return the colour in the middle of a cell of the whole FOV."""
    row, column = divmod(cell, COLUMNS)
    height, width = picture.shape[:2]
    y, x = (row + 0.5) / ROWS * height, (column + 0.5) / COLUMNS * width
    return picture[int(y), int(x)]


def _width(path: Path) -> int:
    with Image.open(path) as image:
        return image.width


def _bytes(rgba: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(rgba)[:3] * 255)


def test_cells_have_the_colours_of_their_values(fov):
    values = np.arange(CELLS, dtype=float)
    values[5] = np.nan
    panel = Panel(values=values, limits=(0, 10), colormap="magma")
    picture = _picture(fov, panel)
    for cell in (0, 3, 10, 23):
        index = min(int(cell / 10 * 256), 255)
        np.testing.assert_array_equal(
            _at(picture, cell), _bytes(lut("magma")[index]), f"cell {cell}"
        )
    np.testing.assert_array_equal(_at(picture, 5), _bytes(UNKNOWN))


def test_categories_and_own_colours(fov):
    codes = np.arange(CELLS) % 3 - 1
    picture = _picture(fov, cluster_panel(fov, codes))
    np.testing.assert_array_equal(_at(picture, 0), _bytes(UNKNOWN))
    np.testing.assert_array_equal(_at(picture, 4), _bytes(categorical(2)[0]))
    own = np.zeros((CELLS, 4))
    own[7] = (1, 0.2, 0, 1)
    picture = _picture(fov, Panel(colours=own))
    np.testing.assert_array_equal(_at(picture, 7), (255, 51, 0))
    np.testing.assert_array_equal(_at(picture, 8), (255, 255, 255))


def test_channels_add_up_on_black_and_cells_let_them_through(fov):
    channel = Channel("DAPI", "#0000FF", (0, 1000))
    bare = _picture(fov, Panel(channels=(channel,)))
    np.testing.assert_array_equal(_at(bare, 0), (0, 0, 255))
    np.testing.assert_array_equal(_at(bare, 5), (0, 0, 0))
    red = np.tile((1.0, 0, 0, 1), (CELLS, 1))
    over = _picture(fov, Panel(channels=(channel,), colours=red, opacity=0.5))
    np.testing.assert_allclose(_at(over, 0).astype(int), (128, 0, 128), atol=1)
    with pytest.raises(ScfmError, match=r"no channel CD3.*DAPI"):
        _picture(fov, Panel(channels=(Channel("CD3"),)))


def test_outlines_are_equally_wide_however_large_the_fov(fov):
    def share(part: FieldOfView) -> float:
        plain = Panel(colours=np.tile((0.0, 0, 0, 1), (CELLS, 1)))
        with_lines = _picture(part, plain).astype(int)
        without = _picture(part, replace(plain, outlines=False)).astype(int)
        return float((with_lines != without).any(axis=2).mean())

    large = _fov()
    labels = large.labels.repeat(10, 0).repeat(10, 1)
    grown = FieldOfView(
        "F1",
        pixel_size=0.01,
        shape=labels.shape,
        read_table=lambda: large.table,
        read_labels=lambda: labels,
    )
    assert 0.01 < share(fov) < 0.1
    assert share(grown) == pytest.approx(share(fov), rel=0.05)


@pytest.mark.parametrize("ending", ["png", "tif", "pdf", "svg"])
def test_every_format_opens_with_its_size_and_provenance(fov, tmp_path: Path, ending):
    path = tmp_path / "new folder" / f"figure.{ending}"
    panels = compare_panels(fov, np.arange(24.0), np.arange(24.0)[::-1], "GENE1")
    written = export_figure(
        fov, panels, path, title="µ & co", dpi=150, provenance={"model": "demo", "n": 3}
    )
    assert written == path
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    width = round(180 / 25.4 * 150)
    if ending == "png":
        with Image.open(path) as image:
            assert image.width == width
            assert image.info["dpi"][0] == pytest.approx(150, abs=0.1)
            assert image.info["Title"] == "µ & co"
            about = json.loads(image.info["Description"])
    elif ending == "tif":
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            assert page.shape[1:] == (width, 3)
            assert page.tags["XResolution"].value == (150, 1)
            about = json.loads(page.description)["provenance"]
    elif ending == "pdf":
        raw = path.read_bytes()
        assert raw.startswith(b"%PDF")
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", raw)
        assert float(box[1]) == pytest.approx(width / 150 * 72, abs=0.1)
        subject = re.search(rb"/Subject \((.*?)\)\n?/Title|/Subject \((.*)\)", raw)[0]
        assert b"demo" in subject
        return
    else:
        text = path.read_text("utf-8")
        assert "predicted</text>" in text
        assert "GENE1: truth</text>" in text
        about = json.loads(
            re.search(r"<dc:description>(.*?)</dc:description>", text, re.S)[1]
        )
    assert about["model"] == "demo"
    assert about["fov"] == "F1"
    assert about["panels"][1] == "GENE1: prediction"


def test_the_same_figure_has_the_same_bytes(fov, tmp_path: Path):
    for ending in ("png", "svg", "pdf"):
        first = export_figure(fov, "GENE1", tmp_path / f"a.{ending}").read_bytes()
        assert (
            export_figure(fov, "GENE1", tmp_path / f"b.{ending}").read_bytes() == first
        )


def test_comparison_has_one_scale_and_an_error_around_zero(fov):
    truth, guess = np.arange(24.0), np.full(24, 3.0)
    guess[:4] = np.nan
    before, after, error = compare_panels(fov, truth, guess, "GENE1", model="demo")
    assert before.scale == after.scale
    assert error.scale[0] == -error.scale[1]
    assert (before.predicted, after.predicted) == (False, True)
    np.testing.assert_allclose(error.values[5], np.log1p(3) - np.log1p(5))
    np.testing.assert_array_equal(_at(_picture(fov, after), 2), _bytes(UNKNOWN))
    with pytest.raises(ScfmError, match=r"3 values.*24 cells"):
        compare_panels(fov, truth[:3], guess, "GENE1")


def test_names_find_genes_columns_channels_and_say_what_there_is(fov):
    assert named_panel(fov, "GENE1").colourbar_label == "log1p counts"
    assert named_panel(fov, "cell_type").names == ("left", "right")
    assert named_panel(fov, "area").values is not None
    assert named_panel(fov, "clusters").names == tuple(str(i) for i in range(12))
    assert named_panel(fov, "DAPI").channels[0].name == "DAPI"
    assert named_panel(fov, "image").channels
    assert named_panel(fov, "labels").colours.shape == (24, 4)
    with pytest.raises(ScfmError, match=r"nothing called 'NOPE'.*GENE1.*area.*DAPI"):
        named_panel(fov, "NOPE")
    with pytest.raises(ScfmError, match="no gene"):
        gene_panel(fov, "NOPE")
    colours = [c.colour for c in channel_styles(["composite red", "DAPI", "other"])]
    assert colours[:2] == ["#FF0000", "#4C78FF"]


def test_channels_under_cells_are_named_below(fov):
    plain = gene_panel(fov, "GENE1")
    over = replace(plain, channels=channel_styles(["DAPI"]))
    texts = [t.get_text() for a in compose(fov, [over]).axes for t in a.texts]
    assert "DAPI" in texts
    texts = [t.get_text() for a in compose(fov, [plain]).axes for t in a.texts]
    assert "DAPI" not in texts


def test_a_long_title_stays_on_the_page(fov):
    figure = compose(fov, [gene_panel(fov, "GENE1")], title="A long title " * 12)
    head = figure.texts[0]
    head.set_fontfamily("DejaVu Sans")
    assert head.get_window_extent().x1 <= figure.bbox.x1
    assert head.get_text().endswith("…")


def test_haze_in_several_channels_does_not_add_up_to_white():
    rng = np.random.default_rng(0)
    hazy = rng.integers(70, 85, (60, 60)).astype(np.uint8)
    hazy[:15] = 12
    images = dict.fromkeys(("a", "b", "c"), hazy)
    window = Window(0, 0, 60, 60, 60, 60)
    several = add_channels(channel_styles(list(images)), images, window)
    assert several[:15].max() < 0.1
    assert several[15:].mean() < 0.5


def test_wide_tables_of_categories_are_refused(fov):
    fov.table.obs["barcode"] = pd.Categorical(np.arange(CELLS).astype(str))
    assert len(named_panel(fov, "barcode").names) == CELLS
    many = Panel(
        categories=np.arange(CELLS), names=tuple(f"type {i}" for i in range(40))
    )
    texts = [t.get_text() for axes in compose(fov, [many]).axes for t in axes.texts]
    assert "and 10 more" in texts


def test_streams_lie_over_the_cells_and_are_grey_where_chance_wins(fov):
    xy = np.asarray(fov.table.obsm["spatial"])
    weights = np.exp(-0.4 * (xy[:, None, 0] - xy[None, :, 0]))
    strata = np.asarray(fov.table.obs["cell_type"])
    field = attention_field(Attention.from_matrix(weights), xy, strata=strata)
    panel = attention_panel(
        fov, field, streamlines(field), categories=np.arange(24) % 2, names=("a", "b")
    )
    assert panel.title.startswith("model attention (key to query)")
    figure = compose(fov, [panel])
    drawn = figure.axes[0].collections
    assert len(drawn) == 2
    assert len(drawn[1].get_paths()) > len(panel.streams.lines)
    texts = " ".join(t.get_text() for axes in figure.axes for t in axes.texts)
    assert "geometry" in texts
    assert f"p = {field.p_value:.2g}" in texts
    weak = replace(field, p_value=0.6)
    faint = attention_panel(fov, weak, streamlines(field))
    assert faint.streams.faint
    ink = compose(fov, [faint]).axes[0].collections[1].get_facecolor()[0, :3]
    assert np.ptp(ink) == 0
    assert ink[0] > 0.4


def test_streams_end_at_the_edge_of_the_panel():
    line = np.stack([np.linspace(-5, 15, 41), np.full(41, 2.0)], axis=1)
    there_and_back = np.concatenate([line, line[::-1]])
    all_lines = (line, there_and_back, line + 90)
    streams = Streams(all_lines, tuple(each[:, 0] for each in all_lines))
    inside = clipped(streams, (0, 10), (8, 0))
    assert len(inside.lines) == 3
    for part, along in zip(inside.lines, inside.strength, strict=True):
        assert part[:, 0].min() == 0
        assert part[:, 0].max() == 10
        np.testing.assert_array_equal(part[:, 0], along)


def test_empty_margins_are_cropped_and_the_picture_keeps_its_shape():
    fov = _fov(shape=(600, 900))
    top, left, rows, columns = shown_part(fov)
    assert (top, left) == (0, 0)
    assert rows < 250
    assert columns < 300
    assert shown_part(fov, crop=False) == (0, 0, 600, 900)
    picture = _picture(fov, "GENE1")
    assert picture.shape[0] / picture.shape[1] == pytest.approx(rows / columns, 0.02)


def test_a_fov_without_labels_is_drawn_as_discs():
    fov = _fov(labels=False, shape=(ROWS * EDGE + 20, COLUMNS * EDGE + 20))
    panel = Panel(values=np.arange(24.0), limits=(0, 23))
    picture = _picture(fov, panel)
    last = _bytes(lut("viridis")[255])
    np.testing.assert_array_equal(picture[-1, -1], (255, 255, 255))
    seen = (picture == last).all(axis=-1)
    high, wide = seen.any(axis=1).sum(), seen.any(axis=0).sum()
    assert high == pytest.approx(wide, abs=2)
    assert seen.sum() < 0.9 * high * wide, "round, not square"


@pytest.mark.parametrize("cells", [0, 1])
def test_a_fov_with_no_or_one_cell_can_be_drawn(tmp_path: Path, cells):
    whole = _fov()
    table = whole.table[:cells].copy()
    labels = np.where(whole.labels <= cells, whole.labels, 0).astype(np.uint16)
    fov = FieldOfView(
        "F1",
        pixel_size=0.1,
        shape=whole.shape,
        read_table=lambda: table,
        read_labels=lambda: labels,
    )
    path = export_figure(fov, ["GENE1", "labels", "cell_type"], tmp_path / "a.png")
    assert _width(path) > 1000


def test_what_cannot_be_drawn_is_said_in_one_sentence(fov, tmp_path: Path):
    with pytest.raises(ScfmError, match=r"'\.bmp'.*\.png"):
        export_figure(fov, "GENE1", tmp_path / "a.bmp")
    with pytest.raises(ScfmError, match="at least one panel"):
        export_figure(fov, [], tmp_path / "a.png")
    with pytest.raises(ScfmError, match=r"values of 3 cells.*has 24"):
        export_figure(fov, Panel(values=np.zeros(3)), tmp_path / "a.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(ScfmError, match="cannot be written"):
        export_figure(fov, "GENE1", tmp_path / "file" / "a.png")


def test_dark_pages_are_dark_and_letters_are_optional(fov):
    figure = compose(fov, [named_panel(fov, "ZERO")] * 2, letters=True)
    assert {"a", "b"} <= {text.get_text() for text in figure.texts}
    from napari_scfm.figures.furniture import DARK

    dark = compose(fov, [named_panel(fov, "ZERO")], theme=DARK)
    assert max(dark.get_facecolor()[:3]) < 0.2
    assert not {"a"} & {text.get_text() for text in dark.texts}


def test_scale_bars_and_ticks_are_round_and_text_is_wrapped():
    assert [nice_length(v) for v in (0.7, 3, 5, 99, 1200)] == [0.5, 2, 5, 50, 1000]
    assert nice_ticks(0, 3.5) == [0, 1, 2, 3.5]
    assert 0 in nice_ticks(-1.2, 1.2)
    lines = wrap("one two three four five six", 7.5, 20)
    assert len(lines) > 1
    assert " ".join(lines) == "one two three four five six"


def _stream_figure(fov, **look):
    """Return the figure of a field, half of which beats chance, and its panel."""
    xy = np.asarray(fov.table.obsm["spatial"])
    weights = np.exp(-0.4 * (xy[:, None, 0] - xy[None, :, 0]))
    field = attention_field(Attention.from_matrix(weights), xy, permutations=9)
    middle = np.median(field.grid_x)
    p = np.where(field.grid_x[None] < middle, 0.01, 0.9) + 0 * field.grid_u
    field = replace(field, grid_p=p)
    how = StreamLook(**look)
    excess = np.where(xy[:, :1] < middle, [[2.0, 0.5]], [[0.5, 2.0]])
    drawn = draw_streams(field, how, excess)
    codes = np.arange(24) % 2
    panel = attention_panel(
        fov, field, drawn, look=how, categories=codes, names=("left", "right")
    )
    figure = compose(fov, [panel])
    said = " ".join(t.get_text() for axes in figure.axes for t in axes.texts)
    return figure, panel, said


def test_streams_keep_the_windows_colours_and_their_grey_parts(fov):
    figure, _, said = _stream_figure(fov)
    drawn = figure.axes[0].collections[1]
    colours, x = drawn.get_facecolor()[:, :3], [p.vertices[:, 0] for p in
                                                drawn.get_paths()]  # fmt: skip
    middle = np.mean(figure.axes[0].get_xlim())
    grey = np.ptp(colours, axis=1) < 0.01
    assert all(grey[i] for i, at in enumerate(x) if at.min() > middle + 3)
    assert not any(grey[i] for i, at in enumerate(x) if at.max() < middle - 3)
    assert "streams, weak to strong" in said
    assert "does not beat chance" in said


def test_streams_by_sender_name_the_kinds_that_are_seen(fov):
    figure, panel, said = _stream_figure(fov, colour="sender")
    inks = figure.axes[0].collections[1].get_facecolor()[:, :3]
    left = panel.legend[0][1][:3]
    assert (np.abs(inks - left).max(axis=1) < 0.01).any()
    assert "kind of key" in said
    assert said.count("left") == 2, "among the cells and among the streams"
    assert said.count("right") == 1, "its streams do not beat chance"


def test_no_ramp_stands_where_no_stream_beats_chance(fov):
    _, panel, _ = _stream_figure(fov)
    grey = tuple(np.zeros(len(line), bool) for line in panel.streams.lines)
    figure = compose(fov, [replace(panel, streams=replace(panel.streams, beats=grey))])
    said = " ".join(t.get_text() for axes in figure.axes for t in axes.texts)
    assert "does not beat chance" in said
    assert "weak to strong" not in said


def test_raw_streams_are_called_what_they_are(fov):
    figure, panel, said = _stream_figure(fov, raw=True)
    assert "raw: mostly geometry" in panel.title
    assert "whatever the model does. Not tested." in said.replace("\n", " ")
    assert "p =" not in said
    inks = figure.axes[0].collections[1].get_facecolor()[:, :3]
    np.testing.assert_allclose(inks, inks[:1].repeat(len(inks), 0))
    assert len(inks) > 2 * len(panel.streams.lines), "in dashes"


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_streams_are_vectors_in_the_file(fov, tmp_path, suffix):
    _, panel, _ = _stream_figure(fov, colour="sender")
    with_streams = export_figure(fov, [panel], tmp_path / f"a.{suffix}")
    without = export_figure(
        fov, [replace(panel, streams=None)], tmp_path / f"b.{suffix}"
    )
    if suffix == "svg":
        count = [p.read_text().count("<path") for p in (with_streams, without)]
        assert count[0] > count[1] + 2 * len(panel.streams.lines)
    else:
        assert with_streams.stat().st_size > without.stat().st_size
