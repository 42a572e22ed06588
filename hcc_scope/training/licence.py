"""Licences of models, by the SPDX identifiers that other programs and archives understand."""

from __future__ import annotations

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

__all__ = ["spdx_id"]


def spdx_id(text: str) -> str | None:
    """Return the one SPDX identifier that `text` names, as it is spelled there; None if it names none, or several."""
    try:
        found = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None
    return None if " " in found or found.endswith("+") or found.startswith("LicenseRef-") else found
