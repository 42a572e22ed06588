"""The page of a report as text, without the files that a report writes: the picture for slides takes half a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.report.html_page import html_page
from hcc_scope.report.page import section_document
from hcc_scope.report.section import section_facts
from hcc_scope.runs.animal_sections import animal_mean
from hcc_scope.storage.reader import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.report.model_rows import ReportModel

__all__ = ["page_text"]


def page_text(store: Path, *, prevalence: float | None = None, model: ReportModel | None = None) -> str:
    """Return the page of a section's report; without a model it has neither card nor saliency."""
    opened = open_store(store)
    animal = animal_mean(opened.path, opened.spec, opened.path.parent)
    facts = section_facts(opened, prevalence=prevalence, model=model, animal=animal)
    return html_page(section_document(facts)).decode()
