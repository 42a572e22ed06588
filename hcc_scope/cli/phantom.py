"""``hcc-scope phantom cohort``."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import interruptible
from hcc_scope.formatting import counted, format_duration
from hcc_scope.research_use import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.datasets.cohort import CohortSpec

__all__ = ["run_cohort"]


def run_cohort(spec: CohortSpec, out: Path, *, jobs: int | None, json_mode: bool) -> None:
    """Draw a cohort, and report what it is and what to do with it."""
    from hcc_scope.datasets.cohort import write_cohort
    from hcc_scope.datasets.manifest import COHORT_FILE

    console = people(json_mode=json_mode)
    started_s = time.monotonic()
    with interruptible("nothing was written"), steps_shown(console) as on_step:
        manifest = write_cohort(spec, out, on_step, jobs=jobs)
    elapsed_s = time.monotonic() - started_s
    known = json.loads((manifest.parent / COHORT_FILE).read_bytes())
    images = Counter(row["class"] for row in known["sections"] for _ in range(row["images"]))
    n = images.total()
    if json_mode:
        print_json(
            {
                "manifest": str(manifest),
                "images": n,
                "images_per_class": dict(images),
                "sections": len(known["sections"]),
                "days": len(known["days"]),
                "synthetic": known["synthetic"],
                "elapsed_s": elapsed_s,
            }
        )
        return
    console.note(f"{manifest}: {known['synthetic']}")
    console.note(
        f"{counted(n, 'image')} of {counted(len(known['sections']), 'section')} on "
        f"{counted(len(known['days']), 'day')}, drawn in {format_duration(elapsed_s)} "
        f"({n / elapsed_s:.1f} images/s); the truth is in {manifest.parent / COHORT_FILE}"
    )
    if spec.days == "balanced" and spec.day_effect > 1:
        console.note(
            "Days are balanced: each has images of both classes, so differences between days reveal nothing of the "
            "class. --days per-animal makes it leak."
        )
    console.note(f"Next: hcc-scope dataset check {manifest}")
    console.note(RESEARCH_USE_ONLY, "italic")
