"""Sphinx's settings: the Markdown of this folder, and the API for scripts, as a site (``make docs``)."""

from __future__ import annotations

import hcc_scope

project = "HCC-Scope"
author = "The HCC-Scope developers"
copyright = "The HCC-Scope developers; BSD-3-Clause"  # noqa: A001 - Sphinx's name for it
version = release = hcc_scope.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["benchmarks", "screenshots"]
nitpicky = False
default_role = "code"
"""What stands in single backticks in a docstring is a name."""

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_default_options = {"members": True, "undoc-members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False  # autodoc lists them

html_theme = "furo"
html_title = "HCC-Scope"
html_show_copyright = False
