"""Options that several commands share."""

from typing import Annotated

import typer

from hcc_scope.inference.base import AUTO, DEFAULT_MODEL, ENGINES, REFERENCE

__all__ = ["DEFAULT_MODEL", "AllowPhantomModel", "Engine", "Json", "Model", "ScoreUnlike"]

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
AllowPhantomModel = Annotated[
    bool,
    typer.Option("--allow-phantom-model", help="Allow a model trained on phantoms alone to score what may be tissue."),
]
