"""The sentence that stands wherever a score is shown."""

__all__ = ["RESEARCH_USE_ONLY"]

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."
