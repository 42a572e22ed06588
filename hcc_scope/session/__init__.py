"""The pipeline that every run uses: frames in, stored, classified and scored, with honest counts."""

from hcc_scope.session.limits import SessionLimits
from hcc_scope.session.session import Session

__all__ = ["Session", "SessionLimits"]
