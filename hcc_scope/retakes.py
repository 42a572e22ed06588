"""Fields that were taken again: which frames show the same field, and which of them counts.

A retake of frame k is a new frame n at the same place. Both stay stored; a note of the store states that n replaces k
(`hcc_scope.storage.notes`), and so does a tag of frame n. Score, interval, coverage, tables and reports follow the
notes, by one rule:

- A field has the number of the frame that was taken first. A retake is no field of its own.
- Of a field's frames the latest counts that was analysed. One that is not analysed yet, is missing or failed leaves
  the field to the one before it.
- An operator excludes the frame that counts, and with it the field. A mark on a frame that another one replaces has no
  effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hcc_scope.types import TagValue

__all__ = ["RETAKE_TAG", "Retakes", "replaced_frame", "retake_reason", "retake_tags"]

RETAKE_TAG = "retake_of"
"""Tag of a frame: the number of the frame that it takes again."""
REASON_TAG = "retake_reason"
"""Tag of a frame: why, if a person stated it."""
BY_OPERATOR = "taken again by the operator"


def retake_tags(replaced: int, reason: str) -> dict[str, TagValue]:
    """Return the tags of a frame that takes another one again."""
    return {RETAKE_TAG: replaced, **({REASON_TAG: reason} if reason else {})}


def retake_reason(tags: Mapping[str, TagValue]) -> str:
    """Return why a frame takes another one again, from its tags."""
    reason = tags.get(REASON_TAG)
    return reason if isinstance(reason, str) and reason else BY_OPERATOR


def replaced_frame(tags: Mapping[str, TagValue]) -> int | None:
    """Return which frame a frame takes again, from its tags; None if it is no retake.

    Examples
    --------
    >>> replaced_frame({"retake_of": 3}), replaced_frame({}), replaced_frame({"retake_of": -1})
    (3, None, None)
    """
    k = tags.get(RETAKE_TAG)
    return k if isinstance(k, int) and not isinstance(k, bool) and k >= 0 else None


class Retakes:
    """The frames of a section that were taken again.

    Parameters
    ----------
    replaced : mapping, optional
        Number of a retake to the number of the frame that it replaces, which may be a retake itself.

    Examples
    --------
    >>> retakes = Retakes({24: 3, 25: 24, 26: 7})
    >>> retakes.field_of(25), retakes.frames_of(3), retakes.frames_of(4)
    (3, (3, 24, 25), (4,))
    >>> retakes.counting(lambda seq: seq in {3, 24, 7, 26})
    {3: 24, 7: 26}
    """

    def __init__(self, replaced: Mapping[int, int] | None = None) -> None:
        self._field_of: dict[int, int] = {}
        self._frames_of: dict[int, list[int]] = {}
        for seq, k in sorted((replaced or {}).items()):
            self.add(seq, k)

    def add(self, seq: int, replaced: int) -> None:
        """Take that frame `seq` replaces an earlier one; retakes come in ascending order.

        Raises
        ------
        ValueError
            If it does not replace an earlier frame.
        """
        if not 0 <= replaced < seq:
            raise ValueError(f"frame {seq} cannot replace frame {replaced}: a retake comes later")
        field = self.field_of(replaced)
        self._field_of[seq] = field
        self._frames_of.setdefault(field, [field]).append(seq)

    def __iter__(self) -> Iterator[int]:
        """Iterate over the retakes, ascending."""
        return iter(sorted(self._field_of))

    def __len__(self) -> int:
        """Return how many there are: so many more frames than fields are stored."""
        return len(self._field_of)

    def involves(self, seq: int) -> bool:
        """Return whether a frame is a retake, or was taken again."""
        return seq in self._field_of or seq in self._frames_of

    def field_of(self, seq: int) -> int:
        """Return the field that a frame shows: the number of its first frame."""
        return self._field_of.get(seq, seq)

    def frames_of(self, field: int) -> tuple[int, ...]:
        """Return the frames of a field, in order."""
        return tuple(self._frames_of.get(field, (field,)))

    def below(self, n_frames: int) -> Retakes:
        """Return those whose frames have a smaller number than `n_frames`."""
        kept = Retakes()
        for seq in self:
            if seq < n_frames:
                kept.add(seq, self._field_of[seq])
        return kept

    def counting(self, analysed: Callable[[int], bool]) -> dict[int, int]:
        """Return which frame counts for each field that was taken again: the first frame to the one that counts.

        Parameters
        ----------
        analysed : callable
            Whether a frame has a result that has not failed.
        """
        return {
            field: next((seq for seq in reversed(frames) if analysed(seq)), field)
            for field, frames in sorted(self._frames_of.items())
        }

    def set_aside(self, analysed: Callable[[int], bool]) -> tuple[int, ...]:
        """Return the frames that do not count, as another one of their field does; ascending."""
        counts = set(self.counting(analysed).values())
        return tuple(sorted(seq for frames in self._frames_of.values() for seq in frames if seq not in counts))
