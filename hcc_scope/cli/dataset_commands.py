"""The commands about labelled images, and those that make synthetic ones.

Thin, as those in `hcc_scope.cli.acquisition_commands`.
"""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.options import Json

__all__ = ["dataset_app", "phantom_app"]

dataset_app = typer.Typer(help="List and check labelled images, and plan how many are needed.", no_args_is_help=True)
phantom_app = typer.Typer(help="Make synthetic data with known truth.", no_args_is_help=True)


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
