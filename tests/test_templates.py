"""Templates: HTML escapes every value, Markdown none, and a name without a value is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

import hcc_scope
from hcc_scope.templates import environment

PACKAGE = Path(hcc_scope.__file__).parent
TEMPLATES = sorted(PACKAGE.rglob("templates/*"))


@pytest.mark.parametrize(
    ("kind", "shown"), [("html", "&lt;script&gt; &amp; &#34;"), ("md", '<script> & "')], ids=["html", "markdown"]
)
def test_values_are_escaped_where_they_could_be_read_as_markup(kind: str, shown: str) -> None:
    env = environment("hcc_scope.report")
    escapes = env.autoescape
    assert callable(escapes)
    assert escapes(f"anything.{kind}.j2") is (kind == "html")
    template = env.from_string("{% autoescape on %}{{ value }}{% endautoescape %}")
    assert template.render(on=escapes(f"anything.{kind}.j2"), value='<script> & "') == shown


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'missing' is undefined"):
        environment("hcc_scope.report").from_string("{{ missing }}").render()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_template_is_found_and_read(path: Path) -> None:
    package = ".".join(("hcc_scope", *path.parent.parent.relative_to(PACKAGE).parts))
    assert path.suffix == ".j2"
    assert environment(package).get_template(path.name).name == path.name
