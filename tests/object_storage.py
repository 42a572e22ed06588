"""A real S3-compatible server on loopback, whose buckets are folders; it counts requests, and can be made to fail."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

from localbucket import S3Handler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "lab"


class ObjectStorage:
    """The server while it runs; the folder of the bucket is `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / BUCKET
        self.requests: list[str] = []
        """Path of every object or list that was asked for, in order."""
        self.refused: str | None = None
        """Requests whose path holds this text are answered with 403."""
        self.folder.mkdir(parents=True)
        storage = self

        class Handler(S3Handler):
            data_root = folder
            disable_nagle_algorithm = True

            def log_message(self, *_args: object) -> None:
                pass

            def end_headers(self) -> None:
                self.send_header("Connection", "close")  # no thread waits for another request
                super().end_headers()

            def do_GET(self) -> None:  # noqa: N802 - the name that http.server gives it
                if self._allowed():
                    super().do_GET()

            def do_HEAD(self) -> None:  # noqa: N802
                if self._allowed():
                    super().do_HEAD()

            def _allowed(self) -> bool:
                storage.requests.append(self.path)
                if storage.refused is None or storage.refused not in self.path:
                    return True
                self.send_error(403)
                return False

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self._runs = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Go away, as a network does."""
        if self._runs:
            self._runs = False
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


@contextmanager
def object_storage(folder: Path) -> Iterator[ObjectStorage]:
    storage = ObjectStorage(folder)
    try:
        yield storage
    finally:
        storage.stop()
