"""Elements of vector graphics in a page. Colours are the page's variables, so a drawing follows its theme."""

from __future__ import annotations

from html import escape

__all__ = ["Attribute", "drawing", "element", "number", "words"]

Attribute = str | float


def number(value: float) -> str:
    """Return a coordinate with at most two decimals.

    Examples
    --------
    >>> number(3.0), number(0.12345), number(-0.001)
    ('3', '0.12', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, *children: str, **attributes: Attribute) -> str:
    """Return one element; its children are markup already.

    Parameters
    ----------
    name : str
    *children : str
    **attributes
        A ``_`` in a name is written as ``-``; one at its end is left out (``class_``).
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{number(value) if isinstance(value, int | float) else escape(value)}"'
        for key, value in attributes.items()
    )
    inside = "".join(children)
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def words(x: float, y: float, text: str, **attributes: Attribute) -> str:
    """Return a line of text that begins at a place, or as ``text_anchor`` states."""
    return element("text", escape(text), x=x, y=y, **attributes)


def drawing(width: float, height: float, label: str, *children: str) -> str:
    """Return a whole drawing, as wide as its place; screen readers read its label."""
    return element("svg", *children, viewBox=f"0 0 {number(width)} {number(height)}", role="img", aria_label=label)
