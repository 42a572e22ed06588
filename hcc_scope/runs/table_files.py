"""Tables as Parquet and as CSV at once, written in blocks of rows, which replace earlier ones once all are whole."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from hcc_scope.atomic_file import replacing
from hcc_scope.errors import StoreUnwritableError
from hcc_scope.printable import printable, spreadsheet_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["OpenTable", "open_tables", "table_paths"]

_ENDINGS = ("parquet", "csv")
_BLOCK = 4096
"""Rows that are written together."""


def table_paths(folder: Path, name: str) -> list[Path]:
    """Return the files of a table."""
    return [folder / f"{name}.{ending}" for ending in _ENDINGS]


class OpenTable:
    """One table as Parquet and as CSV, in blocks of rows."""

    def __init__(self, schema: pa.Schema, parquet: Path, csv: Path, within: ExitStack) -> None:
        self._schema = schema
        self._rows: list[Mapping[str, Any]] = []
        self._parquet = within.enter_context(pq.ParquetWriter(parquet, schema, compression="zstd"))
        file = within.enter_context(csv.open("wb"))
        file.write((",".join(schema.names) + "\n").encode("ascii"))
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
        self._csv = within.enter_context(pyarrow.csv.CSVWriter(file, _as_text(schema), write_options=options))

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; a column that it lacks has no value."""
        self._rows.append(row)
        if len(self._rows) >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        if not self._rows:
            return
        whole: list[pa.Array] = []
        plain: list[pa.Array] = []
        for one in self._schema:
            column = [row.get(one.name) for row in self._rows]
            whole.append(pa.array(column, one.type))
            plain.append(pa.array(_cells(column), pa.string()) if _is_worded(one) else whole[-1])
        self._parquet.write_batch(pa.RecordBatch.from_arrays(whole, schema=self._schema))
        self._csv.write_batch(pa.RecordBatch.from_arrays(plain, schema=_as_text(self._schema)))
        self._rows.clear()


def _is_worded(column: pa.Field) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_timestamp(column.type))


def _as_text(schema: pa.Schema) -> pa.Schema:
    """Return the schema of the CSV table: what is no number is text that no spreadsheet computes."""
    return pa.schema([(one.name, pa.string() if _is_worded(one) else one.type) for one in schema])


def _cells(column: Sequence[str | datetime | None]) -> list[str | None]:
    known = {value: _cell(value) for value in set(column)}  # many rows have one model, engine, side ...
    return [known[value] for value in column]


def _cell(value: str | datetime | None) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, datetime) else spreadsheet_text(printable(value))


@contextmanager
def open_tables(folder: Path, *named: tuple[str, pa.Schema]) -> Iterator[list[OpenTable]]:
    """Yield tables that replace those of their names once all are whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as renamed, ExitStack() as written:
            tables = []
            for name, schema in named:
                parquet, csv = (
                    renamed.enter_context(replacing(path, shared=True)) for path in table_paths(folder, name)
                )
                tables.append(OpenTable(schema, parquet, csv, written))
            yield tables
            for table in tables:
                table.flush()
    except OSError as error:
        raise StoreUnwritableError(
            f"The tables cannot be written to {folder}: {error.strerror or error}",
            hint="The results are kept; give the command again.",
        ) from error
