"""The operator's setup for the next section: the one object that commands and action states read."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from PySide6.QtCore import QObject, Signal, Slot

from hcc_scope.plans.focusing import NO_FOCUSING
from ui.control.section_request import BY_HAND, PlanChoice, SectionRequest, next_id
from ui.control.settings import default_out_dir

if TYPE_CHECKING:
    from typing import Unpack

    from hcc_scope.runs.references import ShadingChoice
    from ui.control.section_request import Specimen
    from ui.control.settings_store import SettingsStore

__all__ = ["SectionSetup"]


class _Changes(TypedDict, total=False):
    animal_id: str
    section_id: str
    out_dir: Path
    plan: PlanChoice
    specimen: Specimen
    model: str
    engine: str
    seed: int
    shading: ShadingChoice
    pause_after: int


class SectionSetup(QObject):
    """Holds the request for the next section; the top bar, the dialogs and the rig change it.

    Parameters
    ----------
    settings_store : SettingsStore
        The request begins with its settings; it remembers the choices.
    parent : QObject, optional
    """

    changed = Signal()
    """A part of the request changes."""
    model_changed = Signal()
    """Another model or engine is chosen. Emitted before `changed`."""
    folder_changed = Signal(Path)
    """The folder for new sections. Emitted before `changed`."""

    def __init__(self, settings_store: SettingsStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings_store = settings_store
        self._outline_open = False
        self._has_focus = True
        """Whether the rig that is open has a focus drive; without, the remembered focusing stays for others."""
        settings = settings_store.settings
        self._request = SectionRequest(
            animal_id="",
            section_id="",
            out_dir=Path(settings.out_dir) if settings.out_dir else default_out_dir(),
            plan=PlanChoice(
                settings.plan,
                settings.n_fields,
                settings.area_um,
                settings.n_frames,
                settings.plan_file,
                focus=settings.focus,
            ),
            specimen=settings.demo_specimen,
            model="",
            engine=settings.engine,
            shading=settings.shading,
            pause_after=settings.pause_after,
            seed=_new_seed(),
        )

    @property
    def request(self) -> SectionRequest:
        """The request as it is now; its ids may not be usable yet."""
        return self._request

    def change(self, **changes: Unpack[_Changes]) -> None:
        """Change parts of the request, by name."""
        before, self._request = self._request, replace(self._request, **changes)
        now = self._request
        if (now.model, now.engine) != (before.model, before.engine):
            self.model_changed.emit()
        if now.out_dir != before.out_dir:
            self.folder_changed.emit(now.out_dir)
        if now != before:
            self.changed.emit()

    @property
    def outline_open(self) -> bool:
        """Whether the outline of the random fields is being edited: what is drawn is not part of the request yet."""
        return self._outline_open

    @Slot(bool)
    def set_outline_open(self, is_open: bool) -> None:
        """Take whether the outline is being edited."""
        self._outline_open = is_open
        self.changed.emit()

    # -- what is remembered --------------------------------------------------------------------------------------------

    def choose_plan(self, plan: PlanChoice) -> None:
        """Take the operator's plan, and remember it."""
        self._settings_store.change(
            plan=plan.kind,
            n_fields=plan.n_fields,
            area_um=plan.area_um,
            n_frames=plan.n_frames,
            plan_file=plan.file,
            focus=plan.focus if self._has_focus else self._settings_store.settings.focus,
        )
        self.change(plan=plan)

    def choose_shading(self, shading: ShadingChoice) -> None:
        """Take whether new sections are corrected, and remember it."""
        self._settings_store.change(shading=shading)
        self.change(shading=shading)

    def choose_pause_after(self, n: int) -> None:
        """Take after how many bad fields in a row a section pauses (0: never), and remember it."""
        self._settings_store.change(pause_after=n)
        self.change(pause_after=n)

    def choose_folder(self, folder: Path) -> None:
        """Take the operator's folder for new sections, and remember it."""
        self._settings_store.change(out_dir=str(folder))
        self.change(out_dir=folder)

    def remember(self) -> None:
        """Remember what a section is started with, except for ids, plan and folder."""
        request = self._request
        self._settings_store.change(demo_specimen=request.specimen, model=request.model, engine=request.engine)

    # -- what the rig and the last section change ----------------------------------------------------------------------

    def fit_rig(self, *, has_stage: bool, has_focus: bool = True) -> bool:
        """Take a plan that a rig can carry out, for this rig only: the plan that is remembered stays.

        Returns
        -------
        bool
            Whether the operator's plan had to give way to a section by hand.
        """
        self._has_focus = has_focus
        remembered = self._settings_store.settings.focus
        self.change(plan=replace(self._request.plan, focus=remembered if has_focus else NO_FOCUSING))
        plan = self._request.plan
        if plan.fits(has_stage=has_stage):
            return False
        remembered_kind = self._settings_store.settings.plan
        if has_stage:
            self.change(plan=replace(plan, kind="random" if remembered_kind in BY_HAND else remembered_kind))
            return False
        self.change(plan=replace(plan, kind=remembered_kind if remembered_kind in BY_HAND else "guided"))
        return True

    def prepare_next(self, finished_section_id: str | None) -> None:
        """Draw another seed; suggest the id after that of the section that is finished, unless it was changed since.

        An outline on the map belongs to the section that is finished, and goes with it.
        """
        self.change(seed=_new_seed())
        if finished_section_id is None:
            return
        self.change(plan=self._request.plan.with_outline())
        if self._request.section_id == finished_section_id:
            self.change(section_id=next_id(finished_section_id))


def _new_seed() -> int:
    return secrets.randbelow(2**31)
