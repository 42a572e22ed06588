"""The commands about models, labelled images, training and validation.

Thin, as those in `hcc_scope.cli.acquisition_commands`.
"""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import DEFAULT_MODEL, Engine, Json
from hcc_scope.inference.base import REFERENCE

__all__ = ["dataset_app", "evaluate", "evaluate_bags", "models_app", "phantom_app", "train"]

models_app = typer.Typer(help="List, read, test, time and export models.", no_args_is_help=True)
dataset_app = typer.Typer(help="List and check labelled images, and plan how many are needed.", no_args_is_help=True)
phantom_app = typer.Typer(help="Make synthetic data with known truth.", no_args_is_help=True)


@models_app.command("list")
def models_list(json_mode: Json = False) -> None:
    """List the models that are found, with what they are for."""
    from hcc_scope.cli.models import run_list

    run_list(json_mode=json_mode)


@models_app.command("test")
def models_test(
    name: Annotated[str, typer.Argument(help="A shipped model's name, or a folder.")] = DEFAULT_MODEL,
    engine: Engine = "torchscript",
    bioimageio: Annotated[
        list[Path] | None,
        typer.Option("--bioimageio", help="A package made of it, to be compared as well; repeatable."),
    ] = None,
    json_mode: Json = False,
) -> None:
    """Check a model's sha256, and that it, an engine, its program and packages give its own test output here."""
    from hcc_scope.cli.models import run_test

    run_test(name, engine=engine, packages=tuple(bioimageio or ()), json_mode=json_mode)


@models_app.command("engines")
def models_engines(
    name: Annotated[str, typer.Argument(help="A shipped model's name, or a folder.")] = DEFAULT_MODEL,
    json_mode: Json = False,
) -> None:
    """Time every engine that can run a model on this computer, and compare each with the reference engine."""
    from hcc_scope.cli.models import run_engines

    run_engines(name, json_mode=json_mode)


@models_app.command("info")
def models_info(
    name: Annotated[str, typer.Argument(help="A shipped model's name, a model's folder, or that of a training run.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it as Markdown.")] = False,
    json_mode: Json = False,
) -> None:
    """Show a model's card: purpose, training data, validation, and what shifts its scores."""
    from hcc_scope.cli.models import run_info

    run_info(name, markdown=markdown, json_mode=json_mode)


@models_app.command("export")
def models_export(
    model: Annotated[
        str, typer.Argument(help="A model's folder, a training run's, or a shipped model.", metavar="MODEL_OR_RUN")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder in which the model's folder is made.")],
    name: Annotated[str | None, typer.Option("--name", help="The copy's name. Default: the model's own.")] = None,
    licence: Annotated[
        str | None,
        typer.Option("--licence", help="SPDX identifier, for example CC-BY-4.0. Default: that of the card."),
    ] = None,
    bioimageio: Annotated[
        Path | None, typer.Option("--bioimageio", help="Also write a bioimage.io package to this .zip.")
    ] = None,
    author: Annotated[list[str] | None, typer.Option("--author", help="Named in the package; repeatable.")] = None,
    json_mode: Json = False,
) -> None:
    """Copy a model that passes its tests, with a card for people, and as a package for other programs."""
    from hcc_scope.cli.models import run_export

    run_export(
        model,
        out=out,
        name=name,
        licence=licence,
        bioimageio=bioimageio,
        authors=tuple(author or ()),
        json_mode=json_mode,
    )


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


@dataset_app.command("check")
def dataset_check(
    manifest: Annotated[Path, typer.Argument(help="CSV or TSV that lists the images; see docs/datasets.md.")],
    json_mode: Json = False,
) -> None:
    """Count images by class, animal, section and day, and look for everything that would spoil a training."""
    from hcc_scope.cli.dataset import run_check

    run_check(manifest, json_mode=json_mode)


@dataset_app.command("make")
def dataset_make(
    out: Annotated[Path, typer.Option("--out", help="The new manifest, a CSV file.")],
    sections: Annotated[
        list[Path] | None,
        typer.Option("--sections", help="Folder of stored sections: those labelled low or high. May be repeated."),
    ] = None,
    low: Annotated[
        list[Path] | None, typer.Option("--low", help="Folder of images of class low. May be repeated.")
    ] = None,
    high: Annotated[
        list[Path] | None, typer.Option("--high", help="Folder of images of class high. May be repeated.")
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option("--ids", help="Where they stand below that folder: '{animal}/{section}/*' or '{animal}_{day}_*'."),
    ] = None,
    ids_in: Annotated[
        str, typer.Option("--ids-in", help="What --ids is about: path, or ome-name (of the image in OME metadata).")
    ] = "path",
    section: Annotated[str | None, typer.Option("--section", help="Of all images, instead of {section}.")] = None,
    day: Annotated[
        str | None, typer.Option("--day", help="Of all images, instead of {day}; 'ome': the date in OME metadata.")
    ] = None,
    pixel_size_um: Annotated[
        float | None, typer.Option("--pixel-size-um", help="Of all images. Default: as each file states it.")
    ] = None,
    bit_depth: Annotated[
        int | None, typer.Option("--bit-depth", min=8, max=16, help="Of all images. Default: as each file states it.")
    ] = None,
    colour: Annotated[
        str | None, typer.Option("--colour", help="How colour becomes grey: luminance, red, green, blue, od.")
    ] = None,
    json_mode: Json = False,
) -> None:
    """Write the manifest of labelled sections, or of folders of images. Nothing about an image is guessed."""
    from hcc_scope.cli.dataset_make import MakeOptions, run_make

    run_make(
        MakeOptions(
            out=out,
            sections=sections or [],
            low=low or [],
            high=high or [],
            ids=ids,
            ids_in=ids_in,
            section=section,
            day=day,
            pixel_size_um=pixel_size_um,
            bit_depth=bit_depth,
            colour=colour,
        ),
        json_mode=json_mode,
    )


@dataset_app.command("power")
def dataset_power(
    animals: Annotated[
        str, typer.Option("--animals", help="Animals of each class, with commas between the numbers.")
    ] = "3,5,8,12,20,32",
    sections: Annotated[int, typer.Option("--sections", min=1, help="Of each animal.")] = 2,
    fields: Annotated[int, typer.Option("--fields", min=1, help="Of each section.")] = 10,
    auc: Annotated[
        float | None, typer.Option("--auc", help="Of images of unseen animals, 0.5 to 1. Default: 0.9.")
    ] = None,
    animal_share: Annotated[
        float | None,
        typer.Option("--animal-share", help="Of the variance within a class, between animals. Default: 0.4."),
    ] = None,
    section_share: Annotated[
        float | None, typer.Option("--section-share", help="Between sections of one animal. Default: 0.1.")
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--evaluation", help="Take AUC and shares from the scores of this evaluation.")
    ] = None,
    half_width: Annotated[
        float | None, typer.Option("--half-width", help="Also find the number of animals that gives it.")
    ] = None,
    simulations: Annotated[int, typer.Option("--simulations", min=1, help="Cohorts of each size.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the simulation.")] = 1,
    json_mode: Json = False,
) -> None:
    """Simulate how wide the intervals of a validation will be, and how many animals it needs."""
    from hcc_scope.cli.dataset_power import PowerOptions, run_power

    run_power(
        PowerOptions(
            animals=animals,
            sections=sections,
            fields=fields,
            auc=auc,
            animal_share=animal_share,
            section_share=section_share,
            evaluation=evaluation,
            half_width=half_width,
            simulations=simulations,
            seed=seed,
            json_mode=json_mode,
        )
    )


@phantom_app.command("cohort")
def phantom_cohort(
    out: Annotated[Path, typer.Option("--out", help="New folder for images, manifest.csv and cohort.json.")],
    animals: Annotated[int, typer.Option("--animals-per-class", min=1, help="Animals of each class.")] = 4,
    images: Annotated[
        int, typer.Option("--images-per-class", min=1, help="Images of each class, spread over its animals.")
    ] = 24,
    sections: Annotated[
        int | None, typer.Option("--sections", min=1, help="Per animal. Default: 2, or as many as the fields need.")
    ] = None,
    image_px: Annotated[int, typer.Option("--image-px", min=512, help="Side of an image.")] = 1024,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the animals, fields and noise.")] = 1,
    days: Annotated[
        str,
        typer.Option("--days", help="What a day is tied to: balanced (nothing), per-section, per-animal, per-class."),
    ] = "balanced",
    day_effect: Annotated[float, typer.Option("--day-effect", min=0, help="Factor on what days change.")] = 1.0,
    animal_effect: Annotated[float, typer.Option("--animal-effect", min=0, help="Factor on animals' shifts.")] = 1.0,
    section_effect: Annotated[float, typer.Option("--section-effect", min=0, help="Factor on sections' shifts.")] = 1.0,
    class_separation: Annotated[
        float, typer.Option("--class-separation", min=0, help="Of the classes' growth, in SD within a section.")
    ] = 1.3,
    arrangement: Annotated[
        float | None,
        typer.Option(
            "--arrangement", min=0, help="The same of how nuclei lie. Default: 3.6, or 0 where --class-separation is 0."
        ),
    ] = None,
    groups: Annotated[
        bool,
        typer.Option(
            "--groups/--no-groups",
            help="Nuclei lie in groups, or on a jittered lattice as in the demo's sections.",
        ),
    ] = True,
    exposure_sd: Annotated[
        float, typer.Option("--exposure-sd", min=0, help="Log of the factor on the exposure, per field.")
    ] = 0.1,
    defocus_um: Annotated[float, typer.Option("--defocus-um", min=0, help="SD of the focus error, per field.")] = 1.0,
    stores: Annotated[bool, typer.Option("--stores", help="One OME-Zarr store per section instead of TIFFs.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes. Default: one per core.")] = None,
    json_mode: Json = False,
) -> None:
    """Draw labelled images of phantom animals, with effects of animal, section and day of known size."""
    from hcc_scope.cli.phantom import run_cohort
    from hcc_scope.datasets.cohort import CohortSpec

    spec = CohortSpec(
        animals_per_class=animals,
        images_per_class=images,
        sections=sections,
        image_px=image_px,
        seed=seed,
        days=days,
        day_effect=day_effect,
        animal_effect=animal_effect,
        section_effect=section_effect,
        class_separation=class_separation,
        arrangement=arrangement,
        groups=groups,
        exposure_sd=exposure_sd,
        defocus_um=defocus_um,
        stores=stores,
    )
    run_cohort(spec, out, jobs=jobs, json_mode=json_mode)


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
        typer.Option("--scheduler", help="Train on a Dask cluster instead: tcp://host:8786. See docs/scale.md."),
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
