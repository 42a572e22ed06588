"""``hcc-scope import``: images of other programs as one section, stored and classified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast, get_args

from hcc_scope.cli.console import people
from hcc_scope.cli.display import watch
from hcc_scope.cli.options import DEFAULT_MODEL
from hcc_scope.cli.runs import (
    RUN_IS_OVER,
    Interrupted,
    finish,
    interruptible,
    load_scoring_model,
    save_account,
    stop_on_signals,
    summarise,
)
from hcc_scope.colour import CONVERSIONS
from hcc_scope.errors import UsageError
from hcc_scope.formatting import counted
from hcc_scope.imports.conversion import Conversion, parse_range
from hcc_scope.imports.opening import refuse_address
from hcc_scope.imports.selection import Selection, parse_index
from hcc_scope.inference.base import AUTO
from hcc_scope.report.summary import software_versions
from hcc_scope.runs.import_section import ImportRequest, open_import, start_import, stored_import
from hcc_scope.runs.replay import recorded_engine, recorded_model
from hcc_scope.storage.folders import leave_none_empty
from hcc_scope.storage.naming import check_id
from hcc_scope.storage.space import check_out_dir
from hcc_scope.types import ScoreWeight
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.errors import HccScopeError

__all__ = ["ImportOptions", "run_import"]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of the command line."""

    sources: tuple[Path, ...]
    animal_id: str
    section_id: str
    out: Path | None
    pixel_size_um: float | None
    bit_depth: int | None
    channel: str | None
    z: int | None
    time: str | None
    series: str
    colour: str | None
    float_range: str | None
    model_name: str
    engine: str
    score_unlike: bool
    weight: str | None
    allow_phantom_model: bool
    prevalence: float | None
    json_mode: bool

    def request(self) -> ImportRequest:
        """Return what is imported, where to, and how.

        Raises
        ------
        IdError, UsageError
            If an option is missing or makes no sense.
        """
        for source in self.sources:
            refuse_address(source)
        animal, section = check_id(self.animal_id, "animal id"), check_id(self.section_id, "section id")
        if self.out is None:
            raise UsageError("no folder for the store is given", hint="Add --out FOLDER.")
        if self.colour not in (None, *CONVERSIONS):
            raise UsageError(f"--colour is {', '.join(CONVERSIONS)}, not {self.colour!r}")
        if self.weight not in (None, *get_args(ScoreWeight)):
            raise UsageError(f"--weight is 'field' or 'tissue', not '{self.weight}'")
        if self.bit_depth is not None and not 8 <= self.bit_depth <= 16:
            raise UsageError(f"--bit-depth is from 8 to 16, not {self.bit_depth}")
        series = parse_index("--series", self.series)
        assert series is not None
        return ImportRequest(
            sources=self.sources,
            animal_id=animal,
            section_id=section,
            out_dir=self.out,
            selection=Selection(self.channel, self.z, parse_index("--time", self.time), series),
            conversion=Conversion(self.colour, parse_range(self.float_range), self.bit_depth),
            pixel_size_um=self.pixel_size_um,
        )


def run_import(options: ImportOptions) -> None:
    """Import one section; everything that can be refused is refused before anything is stored, what is quick first.

    Raises
    ------
    HccScopeError
        See docs/errors.md.
    """
    request = options.request()
    check_out_dir(request.out_dir)
    stored = stored_import(request)
    console = people(json_mode=options.json_mode)
    started = datetime.now(UTC)
    stop = StopToken()
    with interruptible("nothing was imported") as meaning, leave_none_empty(request.out_dir):
        console.note(f"Reading the headers of {counted(len(request.sources), 'source')} ...", "dim")
        with open_import(request) as opened:
            console.note(opened.describe(), "dim")
            for problem in (problem for one in opened.chosen for problem in one.images.problems):
                console.note(f"Warning: {problem}", "yellow")
            if (remark := opened.remark) is not None:
                console.note(f"Warning: {remark}.", "yellow")
            model_name: str | Path = options.model_name
            engine = options.engine
            if stored is not None:
                console.note(f"Going on in {request.store}, which has {counted(stored.n_frames, 'frame')}.", "dim")
                model_name = recorded_model(stored) if model_name == DEFAULT_MODEL else model_name
                engine = recorded_engine(stored) if engine == AUTO else engine
            scoring_model = load_scoring_model(
                model_name,
                engine,
                console,
                score_unlike=options.score_unlike,
                allow_phantom_model=options.allow_phantom_model,
            )
            if options.weight is not None:
                scoring_model = replace(scoring_model, weight=cast("ScoreWeight", options.weight))
            with stop_on_signals(stop, console):
                if stop.requested:
                    raise Interrupted("interrupted before the first image; nothing was imported")
                run = start_import(opened, scoring_model, stop)
                watch(run.session, console, f"import {request.animal_id} {request.section_id}")
                report = run.finish()
                meaning.now(RUN_IS_OVER)
            summary = summarise(
                [report],
                scoring_model,
                command="import",
                versions=software_versions(dict(run.spec.software)),
                started_utc=started,
                prevalence=options.prevalence,
            )
            troubles: list[HccScopeError] = []
            paths = save_account(summary, [report], request.out_dir, troubles)
            try:
                finish(summary, [report], console, json_mode=options.json_mode, paths=paths, troubles=troubles)
            finally:
                ended, cause = report.outcome.state, report.outcome.cause
                if ended != "completed" and report.store is not None and not isinstance(cause, UsageError):
                    console.note("The same command goes on with the images that are left.")
