"""Try a rig in this process (`hcc_scope.runs.trial_worker` is one that can be spared)."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, HccScopeError
from hcc_scope.formatting import counted
from hcc_scope.memory import free_memory
from hcc_scope.rig.adapters import installed_libraries, test_adapters_dir
from hcc_scope.rig.cfg_lines import heading, read_config
from hcc_scope.rig.config import check
from hcc_scope.rig.files import check_adapters_dir
from hcc_scope.rig.filling import filled_config, filled_rig
from hcc_scope.rig.presets import try_presets
from hcc_scope.rig.rigfile import find_rig_file, rig_file_beside
from hcc_scope.rig.substitution import substitute
from hcc_scope.rig.twins import DEMO_LIBRARY
from hcc_scope.runs.rigs import CheckedRig, check_buffer, open_checked, refuse_rig_faults
from hcc_scope.runs.trial_section import try_section
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.rig.config import Finding
    from hcc_scope.runs.trial_report import TrialReport
    from hcc_scope.workers import StopToken

__all__ = ["DEMO_LIBRARIES", "Trial"]

DEMO_LIBRARIES = frozenset({DEMO_LIBRARY, "Utilities", "SequenceTester"})
"""Adapter libraries that drive nothing real; those of Utilities combine devices of the same configuration."""
_AT_LINE = re.compile(r"\s*Line (\d+): [^\n]*\n(.*)", re.DOTALL)


class Trial:
    """A rig that is tried.

    Parameters
    ----------
    rig_or_cfg : str
        A rig file, a .cfg, or the name of a shipped rig.
    folder : Path
        For what the trial writes.
    report : TrialReport
        Is filled in.
    adapters_dir : Path or None
        None: that of the rig file, if it is on this computer, else the demo adapters.
    all_twins : bool
        Also replace devices whose adapters are installed here.
    doing : callable
        Takes what is being done, in words, before it is done.

    Raises
    ------
    ConfigError, DeviceError
        If the files are wrong.
    """

    def __init__(
        self,
        rig_or_cfg: str,
        folder: Path,
        report: TrialReport,
        *,
        adapters_dir: Path | None = None,
        all_twins: bool = False,
        doing: Callable[[str], None] = lambda what: None,
    ) -> None:
        self._folder = folder
        self._report = report
        self._doing = doing
        doing("reading the files")
        path = find_rig_file(rig_or_cfg)
        if path.suffix.lower() == ".cfg" and (beside := rig_file_beside(path)) is not None:
            report.rig_file, path = str(beside), beside
        self._rig, filled = filled_rig(path, folder)
        config = self._rig.config
        readable, also_filled = filled_config(config, folder)
        report.filled = filled + also_filled
        warnings = self._checked(readable)
        if warnings:
            report.warnings.append(f"'hcc-scope config lint' has {counted(len(warnings), 'warning')} for {config.name}")
        self._adapters = self._adapters_dir(adapters_dir)
        installed = installed_libraries(self._adapters).keys()
        hints = [path.name for path in (config, self._rig.path) if path is not None] + heading(readable)
        lines = read_config(readable)
        self._found = substitute(
            lines, DEMO_LIBRARIES & installed if all_twins else installed, self._rig.roles, hints=hints
        )
        self._note_substitution()
        self._config = folder / "tried.cfg"
        self._config.write_text(self._found.text, encoding="utf-8", newline="\n")
        declared = [line.fields for line in lines if line.command == "Device" and len(line.fields) == 3]
        self._drivers = sorted(
            {DEMO_LIBRARY if label in self._found.gone else library for label, library, _ in declared}
        )
        self._all_demo = DEMO_LIBRARIES.issuperset(self._drivers)
        self._sizes: tuple[str, ...] = ()

    def _checked(self, readable: Path) -> list[Finding]:
        """Return the linter's warnings; it must name the file, and not the copy that is filled in."""
        try:
            rig_warnings = refuse_rig_faults(self._rig.model_copy(update={"config": readable}))
            return [*rig_warnings, *check(readable)]
        except ConfigError as error:
            message = error.message.replace(str(readable), str(self._rig.config))
            raise type(error)(message, hint=error.hint) from error

    def _adapters_dir(self, asked_for: Path | None) -> Path:
        """Return the folder of adapters: the one that was asked for, the rig's if it is here, or the demo ones."""
        if asked_for is not None:
            check_adapters_dir(asked_for)
            folder = asked_for
        elif self._rig.adapters_dir is not None and self._rig.adapters_dir.is_dir():
            folder = self._rig.adapters_dir
        else:
            return test_adapters_dir()
        if DEMO_LIBRARY not in installed_libraries(folder):
            self._report.warnings.append(
                f"{folder} has no demo devices ({DEMO_LIBRARY}): its adapters are not used in this trial"
            )
            return test_adapters_dir()
        return folder.absolute()

    def _note_substitution(self) -> None:
        found, report = self._found, self._report
        report.replaced = list(found.replaced)
        report.remembered, report.adjusted = list(found.remembered), list(found.adjusted)
        report.left_out = list(found.left_out)
        report.warnings += [one.contradiction for one in found.replaced if one.contradiction is not None]

    def load(self) -> None:
        """Load the configuration and apply its presets, if all devices are demo devices: presets move things.

        Raises
        ------
        ConfigError
            If it does not load.
        """
        if not self._all_demo:
            return
        self._doing(f"loading the configuration with the drivers {', '.join(self._drivers)}")
        presets = attempt(lambda: try_presets(self._config, self._adapters, self._doing))
        if isinstance(presets, Failure):
            raise self._placed(presets.error)
        sizes_um = presets.pixel_sizes_um
        self._sizes = tuple(name for name, size_um in sizes_um.items() if size_um > 0)
        self._report.warnings += presets.refused
        self._note_loaded()
        n_presets, sizes = counted(presets.applied, "preset"), counted(len(sizes_um), "pixel size")
        self._report.passed.append(f"{n_presets} and {sizes} apply" if sizes_um else f"{n_presets} can be applied")

    def _note_loaded(self) -> None:
        found = self._found
        lines = zip(found.text.splitlines(), found.origins, strict=True)
        n_devices = sum(bool(origin) and text.startswith("Device,") for text, origin in lines)
        self._report.passed.append(f"the configuration loads: {counted(n_devices, 'device')}")

    def run_section(self, model_name: str, stop: StopToken) -> None:
        """Open the rig as a run does, and acquire, store and classify a small section.

        Raises
        ------
        HccScopeError
            If something does not pass.
        """
        self._doing(f"opening the rig with the drivers {', '.join(self._drivers)}")
        handling = self._rig.handling
        if handling.lamp in self._found.gone:  # its demo device has no such property
            handling = replace(handling, lamp=None, lamp_level=None)
        rig = self._rig.model_copy(update={"roles": self._found.roles, "handling": handling})
        check_buffer(rig, free_memory())
        with ExitStack() as stack:
            checked = CheckedRig(rig, self._adapters, ())
            opened = attempt(lambda: stack.enter_context(open_checked(checked, self._config)))
            if isinstance(opened, Failure):
                raise self._placed(opened.error)
            if not self._all_demo:
                self._note_loaded()
            self._report.warnings += opened.warnings()
            self._doing("acquiring a section")
            try_section(
                opened,
                model_name,
                self._folder / "runs",
                self._report,
                may_move=self._all_demo,
                pixel_size_presets=self._sizes,
                stop=stop,
            )
            self._doing("closing the devices")

    def _placed(self, error: BaseException) -> BaseException:
        """Return an error of the core with the line of the file as it was given."""
        if not isinstance(error, HccScopeError):
            return error
        config = self._rig.config
        at_line = _AT_LINE.match(error.message)
        if at_line is not None:
            reason = " ".join(at_line[2].split())
            return type(error)(f"{self._place(at_line[1])}: Micro-Manager refuses the configuration: {reason}")
        place = re.compile(re.escape(f"{config}:") + r"(\d+)")
        message = place.sub(lambda match: self._place(match[1]), error.message)
        return type(error)(message, hint=error.hint)

    def _place(self, number: str) -> str:
        """Return the place in the file of a line of what was loaded."""
        line = self._found.origins[int(number) - 1]
        return f"{self._rig.config}:{line}" if line else f"{self._rig.config}"
