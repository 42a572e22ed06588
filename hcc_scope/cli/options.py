"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from hcc_scope.cli.prevalence import check_prevalence
from hcc_scope.inference.base import AUTO, DEFAULT_MODEL, ENGINES, REFERENCE

__all__ = [
    "DEFAULT_MODEL",
    "Adapters",
    "AllowPhantomModel",
    "Attach",
    "Config",
    "Engine",
    "Json",
    "Model",
    "Phantom",
    "Prevalence",
    "Properties",
    "Rig",
    "ScoreUnlike",
    "Weight",
]

ENGINE_HELP = (
    f"Engine: {REFERENCE} (the reference), {', '.join(name for name in ENGINES if name != REFERENCE)}, "
    f"or {AUTO}: the fastest that agrees with the reference here."
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")]
Model = Annotated[str, typer.Option("--model", help="Name of a shipped model, or a folder with card.yaml.")]
Engine = Annotated[str, typer.Option("--engine", help=ENGINE_HELP)]
ScoreUnlike = Annotated[
    bool, typer.Option("--score-unlike", help="Also score tiles that are unlike the model's training tiles.")
]
Weight = Annotated[
    str | None,
    typer.Option(
        "--weight",
        help="What a field counts in the section's score: 'field', every one the same (default), or 'tissue', as many "
        "as it has usable tiles.",
    ),
]
AllowPhantomModel = Annotated[
    bool,
    typer.Option("--allow-phantom-model", help="Allow a model trained on phantoms alone to score what may be tissue."),
]

Prevalence = Annotated[
    float | None,
    typer.Option(
        "--prevalence",
        metavar="SHARE",
        callback=check_prevalence,
        help="Share of animals that are high where the verdict is read, for PPV and NPV. Default: 0.2 to 0.8.",
    ),
]

Rig = Annotated[str | None, typer.Option("--rig", help="A rig file, or 'demo'.")]
Config = Annotated[Path | None, typer.Option("--config", help="A bare Micro-Manager .cfg instead of a rig file.")]
Adapters = Annotated[
    Path | None, typer.Option("--adapters", help="Folder of device adapters (Micro-Manager's own folder).")
]
Attach = Annotated[
    int | None, typer.Option("--attach", help="Use the running Micro-Manager on this local port (4827).")
]
Properties = Annotated[
    list[str] | None, typer.Option("--property", help="DEVICE,PROPERTY,VALUE set after loading; repeatable.")
]
Phantom = Annotated[
    str | None, typer.Option("--phantom", help="DemoCamera only: show a phantom section, 'low' or 'high'.")
]
