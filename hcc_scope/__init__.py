"""HCC-Scope: acquire, store and classify microscope sections of liver-cancer tumours. Research use only."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Return `__version__`, when it is asked for: finding it out takes longer than all that is imported first."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hcc-scope")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
