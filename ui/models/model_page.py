"""What the tab *Models* shows of one model, as Markdown: the rig, the tests of this session, and the card."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcc_scope.inference.engine_rates import COLUMNS
from hcc_scope.templates import markdown_table, markdown_text
from ui.kit.labels import with_micro_sign

if TYPE_CHECKING:
    from hcc_scope.inference.engine_rates import EngineRates
    from hcc_scope.runs.model_demands import ModelFit

__all__ = ["ModelPage", "page_markdown"]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One model, as it is shown."""

    name: str
    folder: str
    problem: str = ""
    """Why it cannot be used, as a sentence; empty if it can."""
    fit: ModelFit | None = None
    """Beside the rig that is open; None without one, or while it is not known."""
    test: tuple[str, ...] = field(default=())
    """What the self-test has found, as sentences; empty before one."""
    test_failed: bool = False
    rates: EngineRates | None = None
    rates_problem: str = ""
    """Why the engines could not be timed, as a sentence."""
    busy: str = ""
    """What is under way for it, as a sentence."""
    card: str = ""
    """The card as Markdown; empty until it is there."""


def page_markdown(page: ModelPage) -> str:
    """Return the page. Texts of a card or of an error show their letters: they may hold markup."""
    parts = []
    if page.problem:
        parts += [f"# {markdown_text(page.name)}", f"**Cannot be used.** {markdown_text(page.problem)}"]
    if page.busy:
        parts.append(f"*{markdown_text(page.busy)}*")
    if page.fit is not None:
        parts += ["## On this rig", *map(with_micro_sign, _fit(page.fit))]
    if page.test:
        parts += ["## Self-test", f"**{'Not passed.' if page.test_failed else 'Passed.'}**", _bullets(page.test)]
    if page.rates_problem:
        parts += ["## Engines", markdown_text(page.rates_problem)]
    elif page.rates is not None:
        parts += ["## Engines", *_rates(page.rates)]
    parts += [with_micro_sign(page.card), f"Folder: {markdown_text(page.folder)}"]
    return "\n\n".join(part for part in parts if part)


def _fit(fit: ModelFit) -> list[str]:
    found = [markdown_text(fit.sentence) if fit.fits else f"**{markdown_text(fit.sentence)}**"]
    if fit.demands:
        rows = [
            (
                markdown_text(one.what),
                markdown_text(one.demanded),
                markdown_text(one.found),
                "fits" if one.refusal is None else "**does not fit**",
            )
            for one in fit.demands
        ]
        found.append(markdown_table(("", "the model takes", "this rig gives", ""), rows))
    return found


def _rates(rates: EngineRates) -> list[str]:
    rows = [tuple(map(markdown_text, row)) for row in rates.rows()]
    return [markdown_table(COLUMNS, rows, figures=True), markdown_text(rates.sentence), _bullets(rates.problems)]


def _bullets(sentences: tuple[str, ...]) -> str:
    return "\n".join(f"- {markdown_text(one)}" for one in sentences)
