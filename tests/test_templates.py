"""Templates: what is escaped, and what is missing."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from hcc_scope.templates import environment, markdown_table, markdown_text


def test_html_is_escaped_by_itself_and_markdown_by_a_filter():
    found = environment("hcc_scope.report")
    assert callable(found.autoescape)
    assert [found.autoescape(name) for name in ("page.html.j2", "page.html", "card.md.j2")] == [True, True, False]
    text = found.from_string("{% autoescape false %}{{ name | text }}{% endautoescape %}")
    assert text.render(name="<b> *a*\n_b_ c_d") == r"\<b\> \*a\* \_b\_ c_d"


def test_a_name_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="'score' is undefined"):
        environment("hcc_scope.report").from_string("{{ score }}").render()


def test_a_table_keeps_its_columns_whatever_is_in_its_cells():
    assert markdown_table(("a", "b"), [(markdown_text("x|y"), "1\n2")], figures=True) == (
        "| a | b |\n| --- | ---: |\n| x\\|y | 1 2 |"
    )
