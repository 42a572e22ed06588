"""``hcc-scope dataset power``: how many animals a validation needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.evaluation.power import Expected, Spread

__all__ = ["PowerOptions", "run_power"]

_DEFAULT_AUC = 0.9


@dataclass(frozen=True, slots=True)
class PowerOptions:
    """The options of the command."""

    animals: str
    """Numbers per class, with commas between them."""
    sections: int
    fields: int
    auc: float | None
    animal_share: float | None
    section_share: float | None
    evaluation: Path | None
    half_width: float | None
    simulations: int
    seed: int
    json_mode: bool


def run_power(options: PowerOptions) -> None:
    """Simulate, and print one row for each number of animals.

    Raises
    ------
    UsageError
        If a value is out of its range.
    TrainingError
        If the evaluation cannot be read.
    """
    from hcc_scope.evaluation.power import Design, animals_needed, expected_intervals

    counts = _numbers(options.animals)
    if options.half_width is not None and not 0 < options.half_width < 0.5:
        raise UsageError(f"--half-width must be above 0 and below 0.5, not {options.half_width:g}")
    auc, spread, source = _assumed(options)

    @cache
    def expected(animals: int) -> Expected:
        design = Design(animals, options.sections, options.fields)
        return expected_intervals(design, auc, spread, simulations=options.simulations, seed=options.seed)

    rows = [expected(count) for count in counts]
    needed: dict[str, int | None] = {}
    if options.half_width is not None:
        needed = {
            "auc": animals_needed(options.half_width, lambda n: expected(n).auc_half_width),
            "right": animals_needed(options.half_width, lambda n: expected(n).right_half_width),
        }
    if options.json_mode:
        print_json(
            {
                "auc": auc,
                "spread": asdict(spread) | {"fields": spread.fields, "source": source},
                "rows": [asdict(row) for row in rows],
                "half_width": options.half_width,
                "animals_per_class_needed": needed or None,
                "seed": options.seed,
            }
        )
    else:
        _report(options, auc, spread, source, rows, needed)


def _numbers(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--animals '{text}' is no list of numbers", hint="Write it like 3,5,10.") from None
    return list(dict.fromkeys(found))


def _assumed(options: PowerOptions) -> tuple[float, Spread, str]:
    """Return AUC and spread, and where they come from."""
    from hcc_scope.evaluation.power import PHANTOM_SPREAD, Spread, spread_of

    if options.evaluation is None:
        auc, spread, source = _DEFAULT_AUC, PHANTOM_SPREAD, "as assumed for the phantom"
    else:
        from hcc_scope.evaluation.stored_scores import stored_scores

        kept = stored_scores(options.evaluation)
        auc, spread = spread_of(kept.scores, kept.labels, kept.sections, kept.folds)
        source = f"estimated from {len(kept.scores)} images in {options.evaluation.name}"
        if options.auc is None and not 0.5 <= auc < 1.0:
            raise UsageError(
                f"the images of {options.evaluation} have an AUC of {auc:.3f}, and cohorts are drawn for one of at "
                "least 0.5 and below 1",
                hint="Give the one that you expect with --auc.",
            )
    given = (options.animal_share, options.section_share)
    if given != (None, None):
        animals, sections = (
            kept_share if share is None else share
            for share, kept_share in zip(given, (spread.animals, spread.sections), strict=True)
        )
        spread, source = Spread(animals, sections), "as given"
    return (auc if options.auc is None else options.auc), spread, source


def _report(
    options: PowerOptions,
    auc: float,
    spread: Spread,
    source: str,
    rows: list[Expected],
    needed: dict[str, int | None],
) -> None:
    from rich.table import Table

    from hcc_scope.evaluation.power import MOST_ANIMALS
    from hcc_scope.formatting import counted

    console = people(json_mode=False)
    table = Table(title="Half-width of 95 % intervals", title_justify="left")
    for name in ("animals per class", "AUC of images", "covered", "animals on the right side", "covered"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            str(row.design.animals),
            f"± {row.auc_half_width:.3f}",
            f"{row.auc_coverage:.0%}",
            f"± {row.right_half_width:.3f}",
            f"{row.right_coverage:.0%}",
        )
    console.show(table)
    console.note(
        f"Of each animal {counted(options.sections, 'section')} with {counted(options.fields, 'field')}; AUC of images "
        f"{auc:.3f}, {rows[0].right:.0%} of animals on the right side. Variance within a class: "
        f"{spread.animals:.0%} between animals, {spread.sections:.0%} between sections, {spread.fields:.0%} between "
        f"fields ({source}). {options.simulations} simulated cohorts of each size; covered: how often the interval "
        "contains the truth."
    )
    if options.half_width is not None:
        for name, words in (("auc", "the AUC of images"), ("right", "the share of animals on the right side")):
            n = needed[name]
            answer = f"more than {MOST_ANIMALS} animals" if n is None else counted(n, "animal")
            console.note(f"For {words} within ± {options.half_width:g}: {answer} of each class.", "bold")
    console.note("More fields or sections of the same animals narrow what is left beside the animals' own share.")
