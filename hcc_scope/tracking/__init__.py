"""Where the field is, from the pictures alone. Pure: arrays in, numbers out; no devices, no window."""

from hcc_scope.tracking.view import Place, TrackState, TrackView

__all__ = ["Place", "TrackState", "TrackView"]
