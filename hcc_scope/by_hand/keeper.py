"""Who keeps the drawn sample of a guided section: the seam between the source of its frames and the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from hcc_scope.protocols import FrameSource

if TYPE_CHECKING:
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.types import SkipReason

__all__ = ["GuidedSource", "SampleKeeper"]


class SampleKeeper(Protocol):
    """Writes down what happens to a drawn sample, durably, before it takes effect.

    That a frame shows a drawn field is not written here: its tag `hcc_scope.position_tags.DRAWN_TAG` states it, and so
    does the journal. All methods raise a `hcc_scope.errors.StoreError` if it cannot be written; nothing has
    changed then.
    """

    def drawn(self, sample: DrawnSample) -> None:
        """Note which fields were drawn, before the first of them is captured; once in a section."""

    def skipped(self, field: int, reason: SkipReason) -> None:
        """Note that a drawn field is skipped."""

    def undone(self, seq: int) -> None:
        """Note that a captured frame shows no drawn field after all, since its capture was undone."""


@runtime_checkable
class GuidedSource(FrameSource, Protocol):
    """A source that draws its fields during the run. `spec.sampling` is ``guided``."""

    def keep_sample_with(self, keeper: SampleKeeper) -> None:
        """Report to this keeper from now on; called by the session before the first frame."""
