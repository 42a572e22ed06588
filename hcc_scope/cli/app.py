"""The commands and their options. Thin: parse, then call the module that does the work."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from hcc_scope import __version__
from hcc_scope.cli.console import RESEARCH_USE_ONLY

__all__ = ["app"]

app = typer.Typer(
    help=f"Acquire, store and classify microscope sections while they are under the lens. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
config_app = typer.Typer(help="Check Micro-Manager configuration files.", no_args_is_help=True)
models_app = typer.Typer(help="List, read, test and export models.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(models_app, name="models")
dataset_app = typer.Typer(help="Check labelled images before they are trained on.", no_args_is_help=True)
phantom_app = typer.Typer(help="Make synthetic data whose truth is known.", no_args_is_help=True)
app.add_typer(dataset_app, name="dataset")
app.add_typer(phantom_app, name="phantom")

DEFAULT_MODEL = "phantom-meng2019"

ENGINE_HELP = (
    "What runs the model: torchscript (the reference), openvino, openvino-bf16, cuda, or auto: the fastest that agrees "
    "with the reference here."
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")]
Model = Annotated[str, typer.Option("--model", help="Name of a shipped model, or a folder with card.yaml.")]
Engine = Annotated[str, typer.Option("--engine", help=ENGINE_HELP)]
ScoreUnlike = Annotated[
    bool, typer.Option("--score-unlike", help="Also score tiles that are unlike the model's training tiles.")
]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"hcc-scope {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that belong to no command."""


@app.command()
def demo(
    out: Annotated[
        Path | None, typer.Option("--out", help="New folder for the stores. [default: runs/demo-DATE-TIME]")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which phantom animals, fields and noise.")] = 1,
    fields: Annotated[int, typer.Option("--fields", min=1, help="Random fields per section.")] = 24,
    model: Model = DEFAULT_MODEL,
    engine: Engine = "auto",
    score_unlike: ScoreUnlike = False,
    json_mode: Json = False,
) -> None:
    """Acquire and classify two phantom sections on Micro-Manager's demo camera, one of each class."""
    from hcc_scope.cli.demo import run_demo

    run_demo(
        out=out,
        seed=seed,
        n_fields=fields,
        model_name=model,
        engine=engine,
        json_mode=json_mode,
        score_unlike=score_unlike,
    )


@app.command("app")
def desktop(
    rig: Annotated[
        str | None, typer.Option("--rig", help="A rig file or a .cfg, or 'demo'. [default: the welcome page]")
    ] = None,
) -> None:
    """Open the desktop app."""
    from hcc_scope.cli.app_command import run_desktop_app

    run_desktop_app(rig)


@app.command()
def acquire(
    out: Annotated[Path, typer.Option("--out", help="Folder for the store; made if missing.")],
    # without a default these two would be typer's errors; a missing id is one of ours, with its own exit code
    animal: Annotated[str, typer.Option("--animal", help="Animal id, mandatory; part of the store's name.")] = "",
    section: Annotated[str, typer.Option("--section", help="Section id, mandatory; part of the store's name.")] = "",
    rig: Annotated[str | None, typer.Option("--rig", help="A rig file, or 'demo'.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="A bare Micro-Manager .cfg instead of a rig file.")
    ] = None,
    adapters: Annotated[
        Path | None, typer.Option("--adapters", help="Folder of device adapters (Micro-Manager's own folder).")
    ] = None,
    attach: Annotated[
        int | None, typer.Option("--attach", help="Use the running Micro-Manager on this local port (4827).")
    ] = None,
    plan: Annotated[Path | None, typer.Option("--plan", help="Plan file (YAML); see docs/plans.md.")] = None,
    fields: Annotated[
        int | None, typer.Option("--fields", help="Without a plan: this many random fields. [default: 24]")
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", help="Without a plan: this many frames at full rate, stage at rest.")
    ] = None,
    area_um: Annotated[
        str | None, typer.Option("--area-um", help="Random fields in WIDTHxHEIGHT around the present position.")
    ] = None,
    exposure_ms: Annotated[float | None, typer.Option("--exposure-ms", help="Exposure of every frame.")] = None,
    prop: Annotated[
        list[str] | None, typer.Option("--property", help="DEVICE,PROPERTY,VALUE set after loading; repeatable.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Which random fields (and phantom). [default: drawn anew]")
    ] = None,
    phantom: Annotated[
        str | None, typer.Option("--phantom", help="DemoCamera only: show a phantom section, 'low' or 'high'.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    engine: Engine = "auto",
    score_unlike: ScoreUnlike = False,
    json_mode: Json = False,
) -> None:
    """Acquire one section: store every frame, classify it live, keep the score."""
    from hcc_scope.cli.acquire import AcquireOptions, run_acquire

    run_acquire(
        AcquireOptions(
            animal_id=animal,
            section_id=section,
            out=out,
            rig=rig,
            config=config,
            adapters=adapters,
            attach_port=attach,
            plan=plan,
            n_fields=fields,
            n_frames=frames,
            area_um=area_um,
            exposure_ms=exposure_ms,
            properties=tuple(prop or ()),
            seed=secrets.randbelow(2**31) if seed is None else seed,
            phantom=phantom,
            model_name=model,
            engine=engine,
            json_mode=json_mode,
            score_unlike=score_unlike,
        )
    )


@app.command()
def replay(
    stores: Annotated[list[Path], typer.Argument(help="Stores (*.ome.zarr).", metavar="STORE...")],
    model: Annotated[
        str | None, typer.Option("--model", help="Another model. [default: the one recorded in the store]")
    ] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="Another engine. [default: the recorded one]")] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Compare every tile with the recorded one: bit for bit, or within tolerance on another engine.",
        ),
    ] = False,
    save: Annotated[
        str | None, typer.Option("--save", help="Keep the new predictions in the stores, under this name.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for summary.json. [default: beside the stores]")
    ] = None,
    score_unlike: Annotated[
        bool | None,
        typer.Option(
            "--score-unlike/--skip-unlike",
            help="Whether to score tiles unlike the model's training tiles. [default: as recorded]",
        ),
    ] = None,
    json_mode: Json = False,
) -> None:
    """Classify stored sections again, through the same pipeline."""
    from hcc_scope.cli.replay import run_replay

    run_replay(
        stores,
        model_name=model,
        engine=engine,
        check=check,
        save=save,
        out=out,
        json_mode=json_mode,
        score_unlike=score_unlike,
    )


@app.command()
def recover(
    stores: Annotated[list[Path], typer.Argument(help="Unfinished stores (*.ome.zarr).", metavar="STORE...")],
    json_mode: Json = False,
) -> None:
    """Make stores valid again after a crash; every journalled frame stays. Safe to repeat."""
    from hcc_scope.cli.stores import run_recover

    run_recover(stores, json_mode=json_mode)


@app.command()
def devices(
    config: Annotated[Path | None, typer.Option("--config", help="Also load this .cfg and list it.")] = None,
    rig: Annotated[str | None, typer.Option("--rig", help="Also load this rig ('demo') and list it.")] = None,
    adapters: Annotated[Path | None, typer.Option("--adapters", help="Folder with device adapters.")] = None,
    properties: Annotated[
        bool, typer.Option("--properties", help="Load the configuration and list every device's properties.")
    ] = False,
    json_mode: Json = False,
) -> None:
    """Show versions, device interfaces and adapters, and what a configuration contains."""
    from hcc_scope.cli.devices import run_devices

    run_devices(config=config, rig=rig, adapters=adapters, properties=properties, json_mode=json_mode)


@config_app.command("lint")
def config_lint(
    file: Annotated[Path, typer.Argument(help="A Micro-Manager .cfg file.")],
    adapters: Annotated[
        Path | None, typer.Option("--adapters", help="Also check that the adapters it names are in this folder.")
    ] = None,
    json_mode: Json = False,
) -> None:
    """Check a .cfg line by line before it reaches the microscope."""
    from hcc_scope.cli.devices import run_lint

    run_lint(file, adapters=adapters, json_mode=json_mode)


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


@models_app.command("info")
def models_info(
    name: Annotated[str, typer.Argument(help="A shipped model's name, a model's folder, or that of a training run.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it as Markdown.")] = False,
    json_mode: Json = False,
) -> None:
    """Show a model's card: what it is for, what it has seen, how it was validated, what moves it."""
    from hcc_scope.cli.models import run_info

    run_info(name, markdown=markdown, json_mode=json_mode)


@models_app.command("export")
def models_export(
    model: Annotated[
        str, typer.Argument(help="A model's folder, a training run's, or a shipped model.", metavar="MODEL_OR_RUN")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder in which the model's folder is made.")],
    name: Annotated[str | None, typer.Option("--name", help="The copy's name. [default: the model's own]")] = None,
    bioimageio: Annotated[
        Path | None, typer.Option("--bioimageio", help="Also write a bioimage.io package to this .zip.")
    ] = None,
    author: Annotated[list[str] | None, typer.Option("--author", help="Named in the package; repeatable.")] = None,
    json_mode: Json = False,
) -> None:
    """Copy a model that passes its tests, with a card for people, and as a package for other programs."""
    from hcc_scope.cli.models import run_export

    run_export(model, out=out, name=name, bioimageio=bioimageio, authors=tuple(author or ()), json_mode=json_mode)


@app.command()
def train(
    manifest: Annotated[Path, typer.Argument(help="CSV or TSV that lists the images; see docs/datasets.md.")],
    out: Annotated[Path, typer.Option("--out", help="The run's new folder; the model's is made in it.")],
    name: Annotated[str | None, typer.Option("--name", help="The model's name. [default: the folder's]")] = None,
    network: Annotated[str | None, typer.Option("--network", help="meng2019 or compact. [default: meng2019]")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="modern or meng2019. [default: modern]")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Fixes weights, order, changes of tiles, held-out animals.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the training tiles.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Tiles per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="[default: the recipe's]")] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop after so many epochs without a gain on held-out tiles."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="auto, bfloat16 or float32; the model is float32 in any case.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="[default: all cores]")] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder for the tiles. [default: beside the manifest]")
    ] = None,
    hold_out: Annotated[
        str | None,
        typer.Option(
            "--hold-out", help="Animals of each class to choose epoch and threshold on, or none. [default: 1]"
        ),
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--evaluation", help="Folder of an evaluation, for the model's card.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    json_mode: Json = False,
) -> None:
    """Train a network on labelled images, and make a model of it."""
    from hcc_scope.cli.train import TrainOptions, run_train

    run_train(
        TrainOptions(
            manifest=manifest,
            out=out,
            name=name,
            network=network,
            recipe=recipe,
            seed=seed,
            epochs=epochs,
            batch=batch,
            learning_rate=learning_rate,
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


@phantom_app.command("cohort")
def phantom_cohort(
    out: Annotated[Path, typer.Option("--out", help="New folder for images, manifest.csv and cohort.json.")],
    animals: Annotated[int, typer.Option("--animals-per-class", min=1, help="Animals of each class.")] = 3,
    images: Annotated[
        int, typer.Option("--images-per-class", min=1, help="Images of each class, spread over its animals.")
    ] = 24,
    sections: Annotated[
        int | None, typer.Option("--sections", min=1, help="Per animal. [default: 2, or as many as the fields need]")
    ] = None,
    image_px: Annotated[int, typer.Option("--image-px", min=512, help="Side of an image.")] = 1024,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which animals, fields and noise.")] = 1,
    days: Annotated[
        str,
        typer.Option("--days", help="What a day stands for: balanced (nothing), per-section, per-animal, per-class."),
    ] = "balanced",
    day_effect: Annotated[float, typer.Option("--day-effect", min=0, help="Factor on what days change.")] = 1.0,
    animal_effect: Annotated[float, typer.Option("--animal-effect", min=0, help="Factor on animals' shifts.")] = 1.0,
    section_effect: Annotated[float, typer.Option("--section-effect", min=0, help="Factor on sections' shifts.")] = 1.0,
    class_separation: Annotated[
        float, typer.Option("--class-separation", min=0, help="Between the classes, in SD within a section; 0: none.")
    ] = 2.0,
    exposure_sd: Annotated[
        float, typer.Option("--exposure-sd", min=0, help="Log of the factor on the exposure, per field.")
    ] = 0.1,
    defocus_um: Annotated[float, typer.Option("--defocus-um", min=0, help="SD of the focus error, per field.")] = 1.0,
    stores: Annotated[bool, typer.Option("--stores", help="One OME-Zarr store per section instead of TIFFs.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes. [default: one per core]")] = None,
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
        exposure_sd=exposure_sd,
        defocus_um=defocus_um,
        stores=stores,
    )
    run_cohort(spec, out, jobs=jobs, json_mode=json_mode)


@app.command()
def evaluate(
    manifest: Annotated[Path, typer.Argument(help="Table of labelled images; see docs/datasets.md.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for tables, figures and folds.")],
    network: Annotated[str, typer.Option("--network", help="meng2019 (the paper's) or compact.")] = "meng2019",
    recipe: Annotated[str, typer.Option("--recipe", help="modern, or meng2019 (the paper's).")] = "modern",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes folds, permutations, weights and batches.")] = 2019,
    folds: Annotated[
        int, typer.Option("--folds", min=2, help="By animal: at most as many as the rarer class has animals.")
    ] = 5,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Per fold, all of them. [default: the recipe's]")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Tiles per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="[default: the recipe's]")] = None,
    precision: Annotated[str, typer.Option("--precision", help="auto, bfloat16 or float32.")] = "auto",
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Folds side by side. [default: one per core, 1 on a GPU]")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder for the cut tiles. [default: beside the manifest]")
    ] = None,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-animal-out", help="By animal: one fold per animal, so no AUC per fold.")
    ] = False,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures.")] = True,
    smooth: Annotated[int, typer.Option("--smooth", min=0, help="Saliency as SmoothGrad over this many copies.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the evaluation that --out holds.")] = False,
    json_mode: Json = False,
) -> None:
    """Validate network and recipe on labelled images: the paper's protocol and the one by animal, side by side."""
    from hcc_scope.cli.evaluate import EvaluateOptions, run_evaluate, train_config

    config = train_config(
        network=network,
        recipe=recipe,
        seed=seed,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        precision=precision,
        device=device,
    )
    run_evaluate(
        EvaluateOptions(
            manifest=manifest,
            out=out,
            config=config,
            folds=folds,
            jobs=jobs,
            cache=cache,
            figures=figures,
            smooth=smooth,
            resume=resume,
            leave_one_out=leave_one_out,
            json_mode=json_mode,
        )
    )


@app.command()
def bench(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="classify, store, end_to_end, latency, replay, roofline or training; repeatable."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One small round of everything: shows that it runs, not how fast.")
    ] = False,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Write the page benchmarks.md and its plots into this folder.")
    ] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="Take the result from this file instead of measuring.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder on the disk to measure. [default: the system's for temporary files]"),
    ] = None,
    model: Model = DEFAULT_MODEL,
    engine: Annotated[
        str | None, typer.Option("--engine", help="For end to end, latency and replay. [default: the fastest]")
    ] = None,
) -> None:
    """Measure how fast this machine is, beside what people would write themselves. Takes some ten minutes."""
    from hcc_scope.cli.bench import run_bench

    run_bench(
        json_file=json_file,
        only=tuple(only or ()),
        quick=quick,
        plots=plots,
        from_file=from_file,
        out=out,
        model_name=model,
        engine=engine,
    )
