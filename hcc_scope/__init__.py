"""HCC-Scope: acquire, store and classify microscope sections of liver-cancer tumours. Research use only."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("hcc-scope")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
