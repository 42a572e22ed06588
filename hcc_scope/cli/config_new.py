"""``hcc-scope config new``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.cli.config_try import show_report
from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.interrupt import Reported
from hcc_scope.cli.lint import finding_as_dict, show_findings
from hcc_scope.cli.runs import interruptible
from hcc_scope.errors import ConfigError, UsageError
from hcc_scope.number_text import plain_number
from hcc_scope.rig.files import quoted
from hcc_scope.rig.findings import TO_FILL_IN
from hcc_scope.rig.rig_templates import STANDS
from hcc_scope.runs.new_rig import (
    DEFAULT_OBJECTIVES,
    QUESTIONS,
    USUAL_ADAPTERS_DIR,
    NewRig,
    cameras_for,
    check_port,
    lint_new_rig,
    objectives_of,
    rig_file_of,
    stand_of,
    template_of,
    write_new_rig,
)
from hcc_scope.runs.trial import try_rig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcc_scope.cli.console import People

__all__ = ["run_new"]


def run_new(
    *,
    stand: str | None,
    camera: str | None,
    objectives: Sequence[str] | None,
    mount: float | None,
    port: str | None,
    adapters_dir: Path | None,
    out: Path | None,
    try_it: bool,
    json_mode: bool,
) -> None:
    """Ask for what is missing, write both files, lint and try them.

    Raises
    ------
    UsageError
        If something is missing and there is no terminal to ask at, or an answer is not understood.
    HccScopeError
        If the files cannot be written.
    SystemExit
        With the exit code of the trial, if the new rig does not pass, or that of an error that the linter finds.
    """
    console = people(json_mode=json_mode)
    with interruptible("no file was written"):
        new = _answers(stand, camera, objectives, mount, port, adapters_dir, out, console)
        rig_file = write_new_rig(new)
    config = rig_file.with_name(rig_file.name.removesuffix(".rig.yaml") + ".cfg")
    console.note(f"Written: {rig_file} and {config}", "green")
    if stand_of(new.stand).note:
        console.note(stand_of(new.stand).note, "yellow")
    findings = lint_new_rig(rig_file)
    show_findings(findings, console)
    report = None
    if try_it:
        console.note("Trying it with demo devices ...", "dim")
        with interruptible(f"the trial was ended; {rig_file} is written"):
            report = try_rig(rig_file, all_twins=True)
        show_report(report, console, to_fill_in=False)  # the linter has listed it
    if any(one.severity == TO_FILL_IN for one in findings):
        console.note(f"Next: fill in what is listed, until 'hcc-scope config lint {quoted(rig_file)}' lists nothing.")
    if json_mode:
        trial = None if report is None else report.as_dict()
        found = [finding_as_dict(one) for one in findings]
        print_json({"rig": str(rig_file), "config": str(config), "findings": found, "trial": trial})
    if report is not None and report.error is not None:
        people(json_mode=True).note(f"Error: {rig_file} is written, and does not pass: {report.error}")
        raise Reported(report.exit_code)
    if any(one.severity == "error" for one in findings):
        raise ConfigError(f"{rig_file} is written, and has errors", hint="Correct the lines above before loading it.")


def _answers(
    stand: str | None,
    camera: str | None,
    objectives: Sequence[str] | None,
    mount: float | None,
    port: str | None,
    adapters_dir: Path | None,
    out: Path | None,
    console: People,
) -> NewRig:
    missing = [name for name, value in (("--stand", stand), ("--camera", camera), ("--out", out)) if value is None]
    if not missing:
        assert stand is not None
        assert camera is not None
        assert out is not None
        given = tuple(objectives or DEFAULT_OBJECTIVES)
        return NewRig(stand, camera, given, out, port, 1.0 if mount is None else mount, adapters_dir)
    if not sys.stdin.isatty():
        raise UsageError(
            f"no value for {' and '.join(missing)}, and no terminal to ask at",
            hint="Give --stand, --camera and --out; the others have defaults.",
        )
    ask = _Questions(console)
    stand = stand or ask.choice(QUESTIONS["stand"], [(one.key, one.name) for one in STANDS])
    fitting = cameras_for(stand_of(stand))
    camera = camera or ask.choice(QUESTIONS["camera"], [(one.key, one.name) for one in fitting])
    new = NewRig(stand, camera, tuple(objectives or DEFAULT_OBJECTIVES), out or Path(), port, mount or 1.0)
    template = template_of(new)
    if mount is None:
        mount = float(ask.text(QUESTIONS["mount"], "1", _as_mount))
    if not objectives:

        def check(text: str) -> None:
            objectives_of(NewRig(stand, camera, _split(text), Path(), port, mount))

        objectives = _split(ask.text(QUESTIONS["objectives"], ", ".join(DEFAULT_OBJECTIVES), check))
    if port is None and template.needs_port:
        port = ask.text(f"{QUESTIONS['port']} (empty: filled in later)", "", _as_port) or None
    if adapters_dir is None and template.needs_adapters:
        usual = str(USUAL_ADAPTERS_DIR) if USUAL_ADAPTERS_DIR.is_dir() else ""
        answer = ask.text(f"{QUESTIONS['adapters_dir']} (empty: filled in later)", usual, lambda text: None)
        adapters_dir = Path(answer) if answer else None
    if out is None:
        out = Path(ask.text(QUESTIONS["out"], f"{stand}-{camera}.rig.yaml", lambda text: _as_new(Path(text))))
    return NewRig(stand, camera, tuple(objectives), out, port, mount, adapters_dir)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _as_mount(text: str) -> None:
    if not (plain_number(text) or 0.0) > 0:
        raise UsageError(f"'{text}' is no magnification", hint="It is 1 where there is no lens.")


def _as_port(text: str) -> None:
    if text:
        check_port(text)


def _as_new(path: Path) -> None:
    if rig_file_of(path).exists():
        raise UsageError(f"{rig_file_of(path)} exists already", hint="Give another name.")


@dataclass(frozen=True, slots=True)
class _Questions:
    """Asks at the terminal until an answer is understood."""

    console: People

    def text(self, question: str, default: str, check: Callable[[str], None]) -> str:
        """Return the answer, or the default where it is empty."""
        while True:
            self.console.note(f"{question}{f' [{default}]' if default else ''}:")
            line = sys.stdin.readline()
            if not line:
                raise UsageError("the input ended before all was answered; no file was written")
            answer = line.strip() or default
            try:
                check(answer)
            except UsageError as error:
                self.console.note(str(error), "yellow")
            else:
                return answer

    def choice(self, question: str, choices: Sequence[tuple[str, str]]) -> str:
        """Return the key that was chosen, by its number or by itself."""
        for number, (key, name) in enumerate(choices, start=1):
            self.console.note(f"  {number:>2}  {key:<14} {name}")
        keys = [key for key, _ in choices]

        def check(answer: str) -> None:
            if answer not in keys and answer not in map(str, range(1, len(keys) + 1)):
                raise UsageError(f"'{answer}' is none of them", hint="Give a number of the list.")

        answer = self.text(question, "1", check)
        return answer if answer in keys else keys[int(answer) - 1]
