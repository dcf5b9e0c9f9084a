"""``train``: make a model that knows a slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm.cli.options import Device, Seed, SlidePath, chosen_table, words
from napari_scfm.errors import ScfmError, counted
from napari_scfm.progress import Cancelled

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.models.cellplm.model import CellPLM
    from napari_scfm.models.sct.model import SCT


def train(
    path: SlidePath,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the model.")
    ],
    objective: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What to learn: masked (guess hidden genes and cells), impute (guess "
            "target genes from all others), supcon (an embedding that keeps labels "
            "apart), annotate (tell labels), pretrain (as the original was); sct-panel "
            "learns only by guessing.",
        ),
    ] = "masked",
    labels: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Column of labels for supcon and annotate; default: cell_type.",
        ),
    ] = "",
    genes: Annotated[
        str,
        typer.Option(
            metavar="A,B|FILE",
            help="Target genes of impute, or a text file of them; default: drawn from "
            "each sparsity stratum.",
        ),
    ] = "",
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.h5ad", help="Single cells that measure the target genes."
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--from",
            "--model",
            metavar="M",
            help="cellplm or sct-panel for a new model, or one to go on from.",
        ),
    ] = "cellplm",
    size: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Of a new model: small, base, or numbers like width=128,layers=3.",
        ),
    ] = "small",
    fov: Annotated[
        str, typer.Option(metavar="F,F", help="FOVs to use; default: all.")
    ] = "",
    validation: Annotated[
        str, typer.Option(metavar="F,F", help="FOVs that are never trained on.")
    ] = "",
    epochs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Passes over the FOVs.")
    ] = 50,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that was stopped.")
    ] = False,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Train a model on a slide and write it into a folder.

    A checkpoint is written after every epoch: stopped with Ctrl-C, or killed, the
    training goes on with the same command and --resume.

    Example: napari-scfm train sample_data/cosmx_synthetic --validation F004 -o mine

    Example: napari-scfm train slide.h5ad --objective annotate --labels cell_type
    --validation F004 -o types

    Example: napari-scfm train slide.h5ad --objective impute --genes EPCAM,CD3E
    --reference cells.h5ad --from mine -o targets
    """
    from napari_scfm.cli.bar import training_bar
    from napari_scfm.slides.read import read_slide
    from napari_scfm.training.sct.settings import settings_of
    from napari_scfm.training.train import train as train_model

    settings = settings_of(model, size)
    _check_folder(out, resume)
    table = chosen_table(read_slide(path), fov)
    try:
        with training_bar() as progress:
            trained = train_model(
                model,
                table,
                objective=objective,
                labels=labels or None,
                genes=gene_list(genes),
                reference=None if reference is None else read_reference(reference),
                validation=words(validation),
                epochs=epochs,
                seed=seed,
                out=out,
                resume=resume,
                device=device,
                settings=settings,
                progress=progress,
            )
    except KeyboardInterrupt:
        raise Cancelled(_how_to_go_on(out, epochs)) from None
    _tell(trained, out)


def gene_list(text: str) -> list[str]:
    """Return genes from ``A,B`` or from a text file with one or more per line."""
    if text and Path(text).is_file():
        lines = Path(text).read_text(encoding="utf-8").splitlines()
        return [gene for line in lines for gene in words(line)]
    return words(text)


def read_reference(path: Path) -> AnnData:
    """Return a table of single cells with raw counts.

    Raises
    ------
    ScfmError
        If the file is missing, no table, or holds wrong counts.
    """
    import anndata

    from napari_scfm.slides.checks import check_table

    try:
        table = anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        why = "does not exist" if not path.exists() else "is no .h5ad file"
        raise ScfmError(
            f"The reference {path} {why}.", "Give a file written by AnnData."
        ) from error
    check_table(table, str(path), coordinates=False)
    return table


def _check_folder(out: Path, resume: bool) -> None:
    """Refuse a folder that cannot be written, or that holds another training."""
    from napari_scfm.experiments.files import check_writable
    from napari_scfm.training.checkpoints import epochs_done

    if out.is_file():
        raise ScfmError(f"{out} is a file.", "Name a folder for the model.")
    check_writable(out)
    done = epochs_done(out)
    if done and not resume:
        raise ScfmError(
            f"{out} holds a training that was stopped after "
            f"{counted(done, 'epoch', 'epochs')}.",
            "Go on with --resume, or choose another folder.",
        )


def _how_to_go_on(out: Path, epochs: int) -> str:
    from napari_scfm.training.checkpoints import epochs_done

    done = epochs_done(out)
    if not done:
        return "Stopped before the first epoch was complete; nothing was written."
    return (
        f"Stopped; {done} of {epochs} epochs are kept in {out}. Run the same command "
        "with --resume to go on."
    )


def _tell(model: CellPLM | SCT, out: Path) -> None:
    """Print what was made, and how it did in the held-out FOVs."""
    import json

    from napari_scfm.training.run import METRICS

    for note in model.notes:
        typer.echo(note, err=True)
    typer.echo(f"{out}: {model.info.name}, {model.info.parameters} parameters")
    found = json.loads((out / METRICS).read_text(encoding="utf-8"))
    if found["best_epoch"] < 0:
        return
    best = found["epochs"][found["best_epoch"]]
    figures = ", ".join(f"{k} {v:.3f}" for k, v in best.items() if k != "train_loss")
    typer.echo(
        f"held out {', '.join(found['validation'])}, epoch "
        f"{found['best_epoch'] + 1}: {figures}"
    )
