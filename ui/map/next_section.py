"""What the map shows and takes before a section: stage limits, an overview, and the plan as it will be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from hcc_scope.plans import PositionList
from ui.control.running import MAX_DRAWN
from ui.map.map_layers import LimitsLayer
from ui.map.overview_layer import OverviewLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.runs.planned_fields import PlannedFields
    from hcc_scope.tracking.mosaic import SeenMosaic
    from hcc_scope.types import StageLimits
    from ui.kit.theme import ThemeName
    from ui.map.map_layers import OutlineLayer, PlanLayer
    from ui.map.plan_tools import PlanTools

__all__ = ["NextSection"]


class NextSection(QObject):
    """Fills the map's layers with the plan of the next section.

    Parameters
    ----------
    owner : QObject
        The tab.
    outline, plan : layers of the map
        Which a section that is acquired fills, too.
    tools : PlanTools
        Which edit them.
    """

    changed = Signal()
    """The map has to be painted again."""

    def __init__(self, owner: QObject, outline: OutlineLayer, plan: PlanLayer, tools: PlanTools) -> None:
        super().__init__(owner)
        self._outline, self._plan, self._tools = outline, plan, tools
        self.limits = LimitsLayer()
        """Where the stage may go."""
        self.overview = OverviewLayer()
        """What was seen before the section."""
        self.words = ""
        """What is known of its plan, for the line below the map; empty while another section is shown."""
        self.field_um: tuple[float, float] | None = None
        """Width and height of a field; None where that is not known."""

    @property
    def shown(self) -> bool:
        """Whether outline and planned fields on the map are those of the next section."""
        return bool(self.words)

    def offer(self, fields: PositionList | None, no_list: str) -> None:
        """Take the fields of the next section that can be edited one by one, shown or not; None and why, for none."""
        self._tools.fields.set_fields(fields or PositionList(positions_um=()), self.field_um or (1.0, 1.0))
        self._tools.set_no_list(no_list)

    def show(self, planned: PlannedFields) -> None:
        """Show the plan of the next section, which is not acquired yet; fields that are on the map stay."""
        few = len(planned.centres_um) <= MAX_DRAWN
        self.words = planned.describe() + ("" if few else ", too many to be drawn")
        self.field_um = planned.field_um or self.field_um
        field_um = self.field_um or (1.0, 1.0)
        self._plan.set_plan(planned.centres_um if few else None, field_um, planned.beyond if few else None)
        self._outline.points_um = planned.outline_um
        corners = () if planned.outline_um is None else [(x, y) for x, y in planned.outline_um.tolist()]
        self._tools.outline.set_outline(corners)
        self.changed.emit()

    def leave(self) -> None:
        """Show another section from now on; limits and overview stay."""
        self.words = ""

    def set_limits(self, limits: StageLimits | None) -> None:
        """Take where the stage may go; None where that is not limited, or there is none."""
        if limits != self.limits.limits:
            self.limits.limits = self._tools.fields.limits = limits
            self.changed.emit()

    def show_overview(self, mosaics: Sequence[SeenMosaic]) -> None:
        """Show what was seen, from the coarsest pixels to the finest."""
        self.overview.show(mosaics)
        self.changed.emit()

    def mark(self, x_um: float, y_um: float) -> None:
        """Add a field at a place: to the plan, or to what is being edited."""
        self._tools.fields.mark(x_um, y_um)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.limits.set_theme(theme)
