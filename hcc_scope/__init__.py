"""HCC-Scope: acquire, store and classify microscope sections of liver-cancer tumours. Research use only.

Scripts import `hcc_scope.api`, whose names stay as they are; everything else may change between versions.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
"""The one place that holds the version: the package's metadata is made from it."""
