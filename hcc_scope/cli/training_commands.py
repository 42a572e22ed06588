"""The commands about training and validation.

Thin, as those in `hcc_scope.cli.acquisition_commands`.
"""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import Json
from hcc_scope.inference.base import REFERENCE

__all__ = ["evaluate", "evaluate_bags", "train"]


def train(
    manifest: Annotated[Path, typer.Argument(help="CSV or TSV that lists the images; see docs/datasets.md.")],
    out: Annotated[Path, typer.Option("--out", help="New folder of the run; the model's folder is made in it.")],
    name: Annotated[str | None, typer.Option("--name", help="The model's name. Default: the folder's.")] = None,
    network: Annotated[str | None, typer.Option("--network", help="meng2019 or compact. Default: meng2019.")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="modern or meng2019. Default: modern.")] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Fixes weights, order, augmentation and held-out animals. Default: 2019."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Batches. Default: the recipe's.")] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Passes over the training tiles, in place of --steps.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Tiles per step. Default: the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Default: the recipe's.")] = None,
    augment_od: Annotated[
        bool | None,
        typer.Option("--augment-od/--no-augment-od", help="Also change each tile's optical density, as a stain does."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            min=1,
            help="Stop after this many epochs without improvement on held-out tiles. Default: the recipe's.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option("--precision", help="float32, bfloat16, or auto: bfloat16 where it is fast. Default: float32."),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda. Default: auto.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Default: all cores.")] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder for the tiles. Default: beside the manifest.")
    ] = None,
    hold_out: Annotated[
        str | None,
        typer.Option("--hold-out", help="Animals of each class to choose epoch and threshold on, or none. Default: 1."),
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--evaluation", help="Folder of an evaluation, for the model's card.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the folder.")] = False,
    json_mode: Json = False,
) -> None:
    """Train a network on labelled images, and export it as a model."""
    from hcc_scope.cli.train import TrainOptions, run_train

    run_train(
        TrainOptions(
            manifest=manifest,
            out=out,
            name=name,
            network=network,
            recipe=recipe,
            seed=seed,
            steps=steps,
            epochs=epochs,
            batch=batch,
            learning_rate=learning_rate,
            augment_od=augment_od,
            patience=patience,
            precision=precision,
            device=device,
            threads=threads,
            cache=cache,
            hold_out=hold_out,
            evaluation=evaluation,
            resume=resume,
        ),
        json_mode=json_mode,
    )


def evaluate(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="Table of labelled images; see docs/datasets.md.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for tables, figures and folds.")],
    model: Annotated[
        str | None,
        typer.Option("--model", help="Judge this finished model on new animals instead: a name, or a folder."),
    ] = None,
    engine: Annotated[str, typer.Option("--engine", help="Of --model: its engine.")] = REFERENCE,
    new_animals: Annotated[
        bool, typer.Option("--new-animals", help="Of --model: animals called as on its card are others.")
    ] = False,
    network: Annotated[str, typer.Option("--network", help="meng2019 (the paper's) or compact.")] = "meng2019",
    recipe: Annotated[str, typer.Option("--recipe", help="modern, or meng2019 (the paper's).")] = "modern",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes folds, permutations, weights and batches.")] = 2019,
    folds: Annotated[
        int, typer.Option("--folds", min=2, help="Of both protocols; at most as many as the rarer class has animals.")
    ] = 5,
    unit: Annotated[
        str, typer.Option("--unit", help="What the paper's protocol deals into folds: image or tile.")
    ] = "image",
    starts: Annotated[
        int, typer.Option("--starts", min=1, help="Networks per fold, each from a random start of its own.")
    ] = 3,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Batches per network. Default: the recipe's.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Passes over the training tiles, in place of --steps.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Tiles per step. Default: the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Default: the recipe's.")] = None,
    augment_od: Annotated[
        bool,
        typer.Option("--augment-od/--no-augment-od", help="Also change each tile's optical density, as a stain does."),
    ] = False,
    precision: Annotated[
        str, typer.Option("--precision", help="float32, as a model's card needs it; bfloat16; or auto, the faster.")
    ] = "float32",
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option("--workers", "--jobs", min=1, help="Networks side by side. Default: one per core, 1 on a GPU."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Train on a Dask cluster instead: tcp://host:8786. See docs/cluster.md."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder for the cut tiles. Default: beside the manifest.")
    ] = None,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-animal-out", help="By animal: one fold per animal, so no AUC per fold.")
    ] = False,
    leave_one_site_out: Annotated[
        bool, typer.Option("--leave-one-site-out", help="Also test each site by networks of all others.")
    ] = False,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures.")] = True,
    smooth: Annotated[int, typer.Option("--smooth", min=0, help="Saliency as SmoothGrad over this many copies.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the evaluation in --out.")] = False,
    json_mode: Json = False,
) -> None:
    """Validate network and recipe on labelled images by two protocols, or a finished model on new animals (--model)."""
    from hcc_scope.cli.evaluate_model import ExternalOptions, refuse_other_options, run_external

    refuse_other_options(context, model)
    if model is not None:
        run_external(
            ExternalOptions(
                manifest=manifest,
                out=out,
                model=model,
                engine=engine,
                new_animals=new_animals,
                cache=cache,
                figures=figures,
                json_mode=json_mode,
            )
        )
        return
    from hcc_scope.cli.evaluate import EvaluateOptions, known_unit, run_evaluate, train_config

    config = train_config(
        network=network,
        recipe=recipe,
        seed=seed,
        steps=steps,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        augment_od=augment_od,
        precision=precision,
        device=device,
    )
    run_evaluate(
        EvaluateOptions(
            manifest=manifest,
            out=out,
            config=config,
            folds=folds,
            starts=starts,
            workers=workers,
            scheduler=scheduler,
            cache=cache,
            figures=figures,
            smooth=smooth,
            resume=resume,
            leave_one_out=leave_one_out,
            leave_one_site_out=leave_one_site_out,
            json_mode=json_mode,
            unit=known_unit(unit),
        )
    )


def evaluate_bags(
    manifest: Annotated[Path, typer.Argument(help="Table of labelled images; see docs/datasets.md.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for table, attention and figure.")],
    features: Annotated[
        Path,
        typer.Option(
            "--features",
            help="Where the features of tiles come from: the folder of an evaluation (each fold's own networks), a "
            "TorchScript file (tiles to vectors), or texture.",
        ),
    ],
    folds: Annotated[
        int | None, typer.Option("--folds", min=2, help="As for evaluate. Default: the evaluation's, or 5.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Fixes folds and first weights. Default: the evaluation's, or 2019."),
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option("--starts", min=1, help="Of each head per fold. Default: the evaluation's networks, or 3."),
    ] = None,
    takes: Annotated[
        str | None,
        typer.Option(
            "--input", help="What the file takes: counts (n, 1, y, x), or imagenet (n, 3, y, x). Default: counts."
        ),
    ] = None,
    input_px: Annotated[
        int | None, typer.Option("--input-px", min=16, max=4096, help="Resize tiles to this side for the file.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder for the cut tiles. Default: beside the manifest.")
    ] = None,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the tiles that count most.")] = True,
    json_mode: Json = False,
) -> None:
    """Learn from labels of sections alone: mean-logit pooling and gated attention on frozen features of tiles."""
    from hcc_scope.cli.evaluate_bags import EvaluateBagsOptions, run_evaluate_bags

    run_evaluate_bags(
        EvaluateBagsOptions(
            manifest=manifest,
            out=out,
            features=features,
            folds=folds,
            seed=seed,
            starts=starts,
            input=takes,
            input_px=input_px,
            cache=cache,
            figures=figures,
            json_mode=json_mode,
        )
    )
