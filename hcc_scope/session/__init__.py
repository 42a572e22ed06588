"""The pipeline that every run uses: frames are stored, classified and scored, and every frame is counted."""

from hcc_scope.session.earlier import EarlierResults
from hcc_scope.session.limits import SessionLimits
from hcc_scope.session.session import Session

__all__ = ["EarlierResults", "Session", "SessionLimits"]
