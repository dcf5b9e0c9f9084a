"""report.html: one self-contained page that needs no network and no script to read.

A small script lets a click on a head sort the table of genes; without it the table
is in the order of the panel. Colours follow the charts' page.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from napari_scfm.figures.files import SOFTWARE
from napari_scfm.figures.furniture import DARK, LIGHT
from napari_scfm.figures.report.style import number
from napari_scfm.figures.report.tables import (
    COLUMNS,
    MEASURES,
    best_baseline,
    explain,
    gene_table,
    summary_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.figures.report.export import Drawn

_STYLE = """
:root { color-scheme: %(scheme)s; }
body { background: %(page)s; color: %(ink)s; font: 15px/1.5 system-ui, sans-serif;
  max-width: 1080px; margin: 0 auto; padding: 24px; }
h1 { font-size: 1.5em; margin: 0 0 .2em; } h2 { font-size: 1.15em; margin: 2em 0 .5em; }
p.lead, figcaption, .faint { color: %(faint)s; }
.predicted { border-left: 3px solid #56b4e9; padding-left: 10px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 12px; text-align: right; border-bottom: 1px solid %(frame)s; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.chosen td { font-weight: 600; }
#genes th { cursor: pointer; }
.charts { columns: 420px 2; column-gap: 32px; }
figure { margin: 0 0 28px; break-inside: avoid; }
figure img { width: 100%%; height: auto; }
figure b { display: block; margin-bottom: 4px; }
.scroll { max-height: 28em; overflow: auto; }
dt { color: %(faint)s; } dd { margin: 0 0 .5em; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 10px;
  border: 1px solid %(frame)s; }
"""

_SORT = """
document.querySelectorAll('#genes th').forEach((head, column) => {
  let down = column > 0;
  head.onclick = () => {
    const body = document.querySelector('#genes tbody');
    const key = row => row.cells[column].dataset.v ?? row.cells[column].innerText;
    const value = row => column ? parseFloat(key(row)) : key(row);
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a), y = value(b);
      if (x !== x) return y !== y ? 0 : 1;
      if (y !== y) return -1;
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    });
    body.append(...rows); down = !down;
  };
});
"""


_NAMES = {
    "slide": "Slide",
    "fovs": "Fields of view",
    "hidden": "Hidden",
    "seed": "Seed",
    "models": "Models, and the sha256 of their weights",
    "versions": "Versions",
    "fingerprint": "Fingerprint of the slide",
    "reference": "Measured in full, to fit the baselines",
    "neighbourhood": "Observed cells around each hidden cell",
    "in_turn": "Each gene hidden alone, in turn",
    "draws": "Repeats of each prediction",
    "bags": "Random neighbourhoods",
}


def page(
    data: ReportData,
    model: str,
    charts: Sequence[Drawn],
    *,
    dark: bool = False,
    command: str = "",
) -> str:
    """Return the page.

    Parameters
    ----------
    data, model
        The experiment's numbers, and whose predictions the charts show.
    charts
        In the order of the page.
    dark
        Light text on a dark page.
    command
        The command line that repeats the experiment; left out if empty.
    """
    theme = DARK if dark else LIGHT
    colours = {
        "scheme": "dark" if dark else "light",
        "page": "#" + "".join(f"{round(255 * part):02x}" for part in theme.page),
        "ink": theme.ink,
        "faint": theme.faint,
        "frame": theme.frame,
    }
    title = data.title or "Experiment"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _lead(data),
        _notes(data.notes),
        "<h2>Summary</h2>",
        _summary(data, model),
        _per_fov(data),
        f"<h2>Charts: predicted by {escape(model)}</h2>",
        '<div class="charts">',
        *map(_figure, charts),
        "</div>",
        _genes(data, model),
        "<h2>Where the numbers come from</h2>",
        _about(data),
        f"<h2>Repeat it</h2><pre>{escape(command)}</pre>" if command else "",
        f'<p class="faint">Written by {escape(SOFTWARE)}. The tables are in '
        "<code>tables</code>, the charts in <code>charts</code>.</p>",
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: report</title><style>{_STYLE % colours}</style>"
        f"</head><body>\n{body}\n<script>{_SORT}</script></body></html>\n"
    )


def _lead(data: ReportData) -> str:
    hidden = str(data.about.get("hidden", ""))
    what = f"Hidden: {escape(hidden)}. " if hidden else ""
    return (
        f'<p class="lead">{what}{escape(data.extent)}.</p>'
        '<p class="predicted">Everything called <b>predicted</b> was computed by a '
        "model or a baseline from what stayed visible; it was not measured.</p>"
    )


def _notes(notes: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>To know</h2><ul>{items}</ul>" if items else ""


def _summary(data: ReportData, model: str) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS.values())
    rows = []
    for _, row in summary_table(data).iterrows():
        name = str(row["model"])
        cells = "".join(
            f'<td title="{escape(explain(data, name, column))}">'
            f"{number(float(row[column]))}</td>"
            for column in COLUMNS
        )
        chosen = ' class="chosen"' if name == model else ""
        kind = f' <span class="faint">{escape(data.kinds[name])}</span>'
        rows.append(f"<tr{chosen}><td>{escape(name)}{kind}</td>{cells}</tr>")
    said = "".join(
        f"<li>{escape(words)}</li>"
        for words in (explain(data, model, column) for column in COLUMNS)
        if words
    )
    return (
        f"<table><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
        f'<ul class="faint"><li>All rows are scored on the same entries. '
        f"{escape(data.left_out)}</li>{said}</ul>"
    )


def _per_fov(data: ReportData) -> str:
    table = data.per_fov
    if table.empty or table["fov"].nunique() < 2:
        return ""
    columns = [name for name in COLUMNS if name in table]
    sizes = [name for name in ("n_entries", "n_genes", "n_cells") if name in table]
    head = "".join(
        f"<th>{escape(text)}</th>"
        for text in ("", "model", *(COLUMNS[c] for c in columns), *sizes)
    )
    rows = "".join(
        f"<tr><td>{escape(str(row['fov']))}</td><td>{escape(str(row['model']))}</td>"
        + "".join(f"<td>{number(float(row[c]))}</td>" for c in columns)
        + "".join(f"<td>{int(row[c]):,}</td>" for c in sizes)
        + "</tr>"
        for _, row in table.iterrows()
    )
    return (
        f"<h2>Each field of view</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _figure(chart: Drawn) -> str:
    title, caption = escape(chart.title), escape(chart.caption)
    picture = (
        f'<img alt="{title}. {caption}" src="data:image/svg+xml;base64,{chart.svg}">'
        if chart.svg
        else ""
    )
    return (
        f'<figure id="{chart.key}"><b>{title}</b>{picture}'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _genes(data: ReportData, model: str) -> str:
    table = gene_table(data, model)
    if table.empty:
        return ""
    rival = best_baseline(data, "pearson", model)
    heads = {"gene": "Gene", "value": MEASURES["pearson"].short}
    if rival:
        heads |= {"baseline": rival, "gain": f"gain over {rival}"}
    heads |= {
        "sparsity": "sparsity",
        "expression": "expression",
        "n_entries": "entries",
    }
    columns = [name for name in heads if name in table]
    head = "".join(f"<th>{escape(heads[name])}</th>" for name in columns)
    rows = "".join(
        "<tr>" + "".join(_gene_cell(row, name) for name in columns) + "</tr>"
        for _, row in table.iterrows()
    )
    lost = int(table["value"].isna().sum())
    why = f" {lost} without a value: truth constant, or not predicted." if lost else ""
    return (
        f"<h2>Genes, predicted by {escape(model)}</h2>"
        f'<p class="faint">Pearson correlation of each of {len(table)} genes; click a '
        f"head to sort.{why} All models and measures: <code>tables/per_gene.csv</code>."
        f'</p><div class="scroll"><table id="genes"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _gene_cell(row: pd.Series[Any], name: str) -> str:
    if name == "gene":
        return f"<td><i>{escape(str(row[name]))}</i></td>"
    value = float(row[name])
    text = f"{value:,.0f}" if name == "n_entries" else number(value)
    if name == "gain" and value > 0:
        text = f"+{text}"
    return f'<td data-v="{value}">{text}</td>'


def _about(data: ReportData) -> str:
    items = []
    for key, value in data.about.items():
        if value in ("", [], (), {}, None):
            continue
        if isinstance(value, dict):
            text = "; ".join(f"{k} {v}".strip() for k, v in value.items())
        elif isinstance(value, list | tuple):
            text = ", ".join(map(str, value))
        else:
            text = str(value)
        name = _NAMES.get(key, key)
        items.append(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>")
    return f"<dl>{''.join(items)}</dl>"
