"""Where the field is, from the pictures alone. Pure: arrays in, numbers out; no devices, no window."""

from hcc_scope.tracking.settings import TrackSettings
from hcc_scope.tracking.tracker import Tracker
from hcc_scope.tracking.view import Place, TrackState, TrackView

__all__ = ["Place", "TrackSettings", "TrackState", "TrackView", "Tracker"]
