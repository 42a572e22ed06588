"""A text of headings, paragraphs and tables, made of Markdown; nothing that it names is opened or loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFrameFormat,
    QTextLength,
    QTextTable,
)
from PySide6.QtWidgets import QTextBrowser

from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from PySide6.QtCore import QUrl
    from PySide6.QtGui import QTextTableFormat

    from ui.kit.theme import ThemeName

__all__ = ["CardView"]

_HEADING_SCALES = {1: 1.5, 2: 1.2, 3: 1.05}
_LESS_PX = GRID_PX // 2


class CardView(QTextBrowser):
    """Shows Markdown in the palette's colours. A received card may hold anything: HTML in it stays text."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setOpenLinks(False)
        self.horizontalScrollBar().rangeChanged.connect(self._offer_bar)
        self._colours = colours("dark")
        self._markdown = ""
        self._document: QTextDocument | None = None
        """The one that is shown; None for the first, which is Qt's own."""

    def set_markdown(self, text: str) -> None:
        """Show another text, from its beginning."""
        if text == self._markdown:
            return
        self._markdown = text
        self._show()

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours; the place in the text stays."""
        self._colours = colours(theme)
        bar = self.verticalScrollBar()
        place = bar.value()
        self._show()
        bar.setValue(place)

    def loadResource(self, _kind: int, _name: QUrl | str) -> object:  # noqa: N802 - Qt's name
        """Load nothing: neither a picture nor a style, from no place."""
        return None

    @Slot(int, int)
    def _offer_bar(self, _least: int, most: int) -> None:
        """Offer to scroll sideways where something is too wide: Qt rounds the columns of a table up by a pixel each."""
        policies = Qt.ScrollBarPolicy
        self.setHorizontalScrollBarPolicy(policies.ScrollBarAsNeeded if most > GRID_PX else policies.ScrollBarAlwaysOff)

    def _show(self) -> None:
        document = QTextDocument(self)  # laid out once, when it is shown, and not at each change of a table
        document.setDefaultFont(self.font())
        document.setDocumentMargin(2 * GRID_PX)
        dialect = QTextDocument.MarkdownFeature.MarkdownDialectGitHub
        document.setMarkdown(self._markdown, dialect | QTextDocument.MarkdownFeature.MarkdownNoHTML)
        self._style_blocks(document)
        for frame in document.rootFrame().childFrames():
            if isinstance(frame, QTextTable):
                self._style_table(frame)
        self.setDocument(document)
        if self._document is not None:
            self._document.deleteLater()
        self._document = document

    def _style_blocks(self, document: QTextDocument) -> None:
        size_pt = self.font().pointSizeF()
        block = document.begin()
        while block.isValid():
            if block.blockFormat().nonBreakableLines():  # a command, of any length
                form = block.blockFormat()
                form.setNonBreakableLines(False)
                QTextCursor(block).setBlockFormat(form)
            level = block.blockFormat().headingLevel()
            cursor = QTextCursor(block)
            if level:
                cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
                style = QTextCharFormat()
                style.setFontPointSize(size_pt * _HEADING_SCALES.get(level, 1.0))
                style.setFontWeight(QFont.Weight.DemiBold)
                cursor.mergeCharFormat(style)
            block = block.next()

    def _style_table(self, table: QTextTable) -> None:
        form: QTextTableFormat = table.format().toTableFormat()
        form.setBorder(1)
        form.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        form.setBorderBrush(QBrush(QColor(self._colours.border)))
        form.setBorderCollapse(True)
        form.setCellPadding(_LESS_PX)
        form.setCellSpacing(0)
        form.setTopMargin(_LESS_PX)
        form.setBottomMargin(GRID_PX)
        form.setWidth(QTextLength(QTextLength.Type.PercentageLength, 100) if table.columns() > 2 else QTextLength())
        table.setFormat(form)
        if not any(_text_of(table, 0, column) for column in range(table.columns())):
            table.removeRows(0, 1)  # Markdown has no table without a head


def _text_of(table: QTextTable, row: int, column: int) -> str:
    cursor = table.cellAt(row, column).firstCursorPosition()
    return cursor.block().text().strip()
