"""The protocols of the sCT tables on a real slide, one held-out field of view.

Run: python benchmarks/sct_scores.py nsclc|merfish --fov F --panel DIR --cellplm DIR
Without folders the networks are trained first: for each seed anew, on all other fields
of view, with the settings as they are shipped; the tested field chooses nothing.

20 neighbourhoods of 50 cells of the held-out field are drawn, each read alone. Hidden
are 15, 30, 40 or 80 % of all entries; all genes of 1, 10, 20 or 40 of the 50 cells; or
up to 25 genes of each sparsity stratum in every cell. Baselines are fitted to the other
fields and to what is visible. MCC is on five levels between the smallest and largest
count of each cell, taken from the TRUTH, also of hidden cells (as in the paper: a
leak, and the same for every method); MAE is on the counts of expressed entries.

"MCC expr." leaves entries with a true 0 out, though 0 may be predicted; "known" reads a
predicted 0 as level 1, as who knows that the entry is expressed would.

Every method is scored by its counts, cut at the edges; and by "bins", the likeliest:
sct-panel says chances of bins, of the others it is the likeliest level of a Poisson
count of their mean. "bins, stratified" are sct-panel's likeliest bins if zeros were
hidden with chance 0.01 and expressed entries with 0.15, as the paper trains: what is
hidden is then mostly expressed. "true edges" are its chances as counts by the middles
of the true bins, which is how the paper scores it; its plain counts take, where the
whole cell is hidden, the edges of the visible cells around.

Ceilings, for hidden cells: "type" knows each hidden cell's type (of 30 clusters of all
cells by their own counts) and its total; "rates" knows every rate of the cell: its own
counts, shrunk towards its type's, and the truth is drawn from them; "two draws" takes a
second draw as the guess.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from sct_ceilings import by_type, drawn, likeliest
from slides import slide

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.analysis.levels import CellRange, confusion, level_metrics
from napari_scfm.masks.neighbourhoods import neighbourhood_bags
from napari_scfm.masks.strata import strata
from napari_scfm.models.sct.debin import middles
from napari_scfm.models.sct.model import SCT
from napari_scfm.models.sct.tokens import LEVELS

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel

BASELINES = ("gene-mean", "knn-space", "knn-expression", "ridge")
PLACES, SIZE = 20, 50
STRATA_ODDS = 0.01 / 0.15
"""Hidden zeros to hidden expressed entries, in the paper's masking."""
SHARES, CELLS, PER_STRATUM = (0.15, 0.3, 0.4, 0.8), (1, 10, 20, 40), 25


EPOCHS = {"sct-panel": 50, "cellplm": 12}
"""Of networks that are trained here."""
SHOWN = {
    "mcc_all": "MCC, all entries",
    "mcc_expressed": "MCC, expressed entries",
    "mcc_known": "MCC, known to be expressed",
    "mae": "MAE of counts, expressed",
    "mae_all": "MAE of counts, all",
}


class Asked(NamedTuple):
    """The hidden entries of one run: cell, gene and true count of each."""

    table: AnnData
    rows: np.ndarray
    columns: np.ndarray
    truth: np.ndarray
    ranges: CellRange


class Said(NamedTuple):
    """What a method said of the hidden entries: levels, and counts if it says any."""

    asked: Asked
    levels: np.ndarray
    values: np.ndarray | None = None


def main() -> None:
    """Print one table per figure, means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", choices=["nsclc", "merfish"])
    parser.add_argument("--fov", required=True)
    parser.add_argument("--panel", type=Path)
    parser.add_argument("--cellplm", type=Path)
    parser.add_argument("--places", type=int, default=PLACES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[], help="protocols, by name")
    parser.add_argument("--keep", type=Path, help="folder for trained networks")
    parser.add_argument("--csv", type=Path, help="keep the scores of these seeds")
    asked = parser.parse_args()
    whole = slide(asked.slide)
    tested = (whole.obs[keys.FOV] == asked.fov).to_numpy()
    print(
        f"{date.today()}, {asked.slide}: {asked.places} neighbourhoods of {SIZE} cells "
        f"of {asked.fov}, {(~tested).sum()} cells of other fields, seeds {asked.seeds}"
    )
    rows = []
    for seed in asked.seeds:
        models = {
            name: network(folder, name, whole[~tested], asked, seed)
            for name, folder in zip(EPOCHS, (asked.panel, asked.cellplm), strict=True)
        }
        table = neighbourhoods(whole[tested].copy(), asked.places, seed)
        for name, mask in protocols(table, whole[~tested], seed).items():
            if asked.only and name not in asked.only:
                continue
            start = time.process_time()
            rows += one(table, whole[~tested].copy(), mask, models, seed, name)
            spent = time.process_time() - start
            print(f"seed {seed}, {name}: {spent:.0f} CPU s", flush=True)
    found = pd.DataFrame(rows)
    if asked.csv is not None:
        found.to_csv(asked.csv, index=False)
    report(found)


def network(
    folder: Path | None, name: str, others: AnnData, asked: Any, seed: int
) -> CellModel:
    """Return a trained model, trained now where there is no folder."""
    if folder is not None:
        found = scfm.load_model(folder)
    else:
        start = time.process_time()
        found = scfm.train(name, others.copy(), epochs=EPOCHS[name], seed=seed)
        spent = time.process_time() - start
        print(f"seed {seed}, {name}: trained in {spent:.0f} CPU s", flush=True)
        if asked.keep is not None:
            found.save(asked.keep / f"{name}-{seed}")
    record = found.config.extra.get("training", {})
    if asked.fov.lstrip("F0") in {str(f).lstrip("F0") for f in record.get("fovs", [])}:
        raise SystemExit(f"{name} was trained on {asked.fov}, which is tested here.")
    print(f"{name}: {found.info.parameters} weights, {record.get('epochs')} epochs")
    return found


def neighbourhoods(table: AnnData, places: int, seed: int) -> AnnData:
    """Return neighbourhoods as a table of fields of view, each cell once."""
    rows, bags = neighbourhood_bags(table, places, SIZE, seed)
    first = np.unique(rows, return_index=True)[1]
    first.sort()
    found = table[rows[first]].copy()
    found.obs[keys.FOV] = bags[first]
    return found


def protocols(table: AnnData, others: AnnData, seed: int) -> dict[str, Mask]:
    """Return what is hidden in each."""
    found = {
        f"{share:.0%} of entries": scfm.mask_entries(table, share, seed)
        for share in SHARES
    }
    rng = np.random.default_rng(seed)
    fovs = table.obs[keys.FOV].to_numpy()
    orders = [rng.permutation(np.flatnonzero(fovs == f)) for f in pd.unique(fovs)]
    for number in CELLS:
        chosen = np.sort(np.concatenate([order[:number] for order in orders]))
        name = f"{number} of {SIZE} cells"
        found[name] = scfm.mask_cells(table, table.obs_names[chosen])
    genes = scfm.mask_strata(others, PER_STRATUM, seed).hidden_genes
    return found | {"genes by stratum": scfm.mask_genes(table, genes)}


def one(
    table: AnnData,
    others: AnnData,
    mask: Mask,
    models: dict[str, CellModel],
    seed: int,
    name: str,
) -> list[dict[str, Any]]:
    """Return the scores of all methods in one run."""
    spec = scfm.ExperimentSpec(
        model="sct-panel", also=("cellplm",), mask=mask, baselines=BASELINES, seed=seed
    )
    result = scfm.run_experiment(table, spec, reference=others, model=models)
    columns = table.var_names.get_indexer(result.genes)[result.columns]
    rows = table.obs_names.get_indexer(result.cells)[result.rows]
    asked = Asked(table, rows, columns, result.truth_values, CellRange.of(table.X))
    methods = dict(
        zip(result.models, ("sct-panel", "cellplm", *BASELINES), strict=True)
    )
    said = {
        methods[found.name]: by_counts(asked, found.values)
        for found in result.predictions
    }
    chances = bin_chances(models["sct-panel"], table, mask, asked)
    said["sct-panel, bins"] = Said(asked, chances.argmax(axis=1))
    stratified = chances * np.array([STRATA_ODDS, 1, 1, 1, 1])
    said["sct-panel, bins, stratified"] = Said(asked, stratified.argmax(axis=1))
    said["sct-panel, true edges"] = by_counts(asked, by_true_edges(chances, asked))
    for method in ("cellplm", *BASELINES):
        mean = said[method].values
        assert mean is not None
        own = likeliest(np.maximum(mean, 1e-3), asked.ranges, rows)
        said[f"{method}, bins"] = Said(asked, own)
    if name.endswith("cells"):
        said |= ceilings(table, others, asked, seed)
    groups = {name: np.ones(len(rows), dtype=bool)}
    if name.startswith("genes"):
        stratum = strata(others).to_numpy()[columns]
        groups |= {f"genes, {s}": stratum == s for s in pd.unique(np.sort(stratum))}
    return [
        {"protocol": protocol, "method": method, "seed": seed} | scores(what, keep)
        for protocol, keep in groups.items()
        for method, what in said.items()
    ]


def by_counts(asked: Asked, values: np.ndarray) -> Said:
    """Return what a method said by its counts."""
    values = np.clip(np.nan_to_num(values), 0, None)
    return Said(asked, asked.ranges.levels(np.log1p(values), asked.rows), values)


def by_true_edges(chances: np.ndarray, asked: Asked) -> np.ndarray:
    """Return counts of chances as the paper does: by the middles of the true bins."""
    middle = middles(asked.ranges.low, asked.ranges.high)[asked.rows]
    return np.expm1((chances[:, 1:] * middle).sum(axis=1))


def ceilings(
    table: AnnData, others: AnnData, asked: Asked, seed: int
) -> dict[str, Said]:
    """Return what could be said at best of hidden cells, see the head of this file."""
    at = asked.rows, asked.columns
    expected = by_type(table, others, seed)
    found = drawn(table, expected, seed)
    ranges = CellRange.of(found.truth)
    ideal = asked._replace(truth=found.truth[at].astype(float), ranges=ranges)
    rates = found.rates[at]
    return {
        "ceiling: type": by_counts(asked, expected[at]),
        "ceiling: type, bins": Said(
            asked, likeliest(expected[at], asked.ranges, asked.rows)
        ),
        "ceiling: rates": by_counts(ideal, rates),
        "ceiling: rates, bins": Said(ideal, likeliest(rates, ranges, asked.rows)),
        "ceiling: two draws": by_counts(ideal, found.again[at].astype(float)),
    }


def bin_chances(
    model: CellModel, table: AnnData, mask: Mask, asked: Asked
) -> np.ndarray:
    """Return (entries, 5) chances of each level, as the network says them."""
    assert isinstance(model, SCT)
    reading = model._reading(table, mask)
    genes = reading.asked([str(name) for name in table.var_names])
    found = np.zeros((*table.shape, LEVELS), dtype=np.float32)
    orders = model.options.orders

    def chances(tokens: Any, places: Any) -> Any:
        logits = model.network(tokens, places).logits[..., :LEVELS].float()
        width = model.config.positions
        return logits.softmax(-1).unflatten(1, (-1, width))[:, :, genes]

    windows = reading.windows()
    for _, window, part in model._runs.over(reading, windows, chances, number=orders):
        found[window.cells[window.kept]] += part[window.kept] / orders
    return found[asked.rows, asked.columns]


def scores(what: Said, keep: np.ndarray) -> dict[str, float]:
    """Return MCC and MAE of some entries; cells without a count have no levels."""
    asked, levels, values = what
    keep = keep & np.isfinite(asked.ranges.low[asked.rows])
    truth = np.log1p(asked.truth[keep])
    true = asked.ranges.levels(truth, asked.rows[keep])
    said = levels[keep]
    found = level_metrics(
        np.stack([confusion(true, said), confusion(true, np.maximum(said, 1))])
    )
    out = {
        "mcc_all": found["mcc_all"][0],
        "mcc_expressed": found["mcc_expressed"][0],
        "mcc_known": found["mcc_expressed"][1],
        "mae": np.nan,
        "mae_all": np.nan,
    }
    if values is not None:
        off = np.abs(values[keep] - asked.truth[keep])
        out |= {"mae": off[true > 0].mean(), "mae_all": off.mean()}
    return {name: float(value) for name, value in out.items()}


def report(scored: pd.DataFrame) -> None:
    """Print a Markdown table per figure: methods, protocols, mean (sd) over seeds."""
    protocols = list(pd.unique(scored["protocol"]))
    for name, title in SHOWN.items():
        print(f"\n| {title} | {' | '.join(protocols)} |")
        print("| --- " * (len(protocols) + 1) + "|")
        for method, own in scored.groupby("method", sort=False):
            each = [own.loc[own["protocol"] == p, name].dropna() for p in protocols]
            if any(map(len, each)):
                cells = [
                    f"{v.mean():.3f} ({v.std(ddof=0):.3f})" if len(v) else ""
                    for v in each
                ]
                print(f"| {method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
