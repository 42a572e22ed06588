"""Read files below an address, through tensorstore's key-value stores; nothing is ever written there.

Design
------
- Every error is one of two: the file is not there (`FileNotFoundError`, as on a disk), or the storage gave no answer
  that counts (`StoreError`). Damage is neither: that is for those who look into the bytes.
- tensorstore by itself waits for a silent server without an end, and tries 32 times: here a silent transfer ends after
  `_SILENT_S`, and each request is tried `_TRIES` times more.
- Credentials are those that the environment names. tensorstore's own search asks the metadata service of a cloud
  machine, which takes seconds and prints errors wherever there is none; so it starts only where something names it.
- An endpoint other than Amazon's comes from ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL``, as other programs have it.
"""

from __future__ import annotations

import errno
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorstore as ts

from hcc_scope.errors import StoreError
from hcc_scope.storage.files import too_large

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.storage.place import RemotePath

__all__ = ["is_there", "names_below", "read_file", "received", "start_read"]

_SILENT_S = 20
_TRIES = 3
_FIRST_ANSWER_S = 30
_LONGEST_S = 600
"""Of one file: a journal may have a gigabyte."""
_RETRIES = {"max_retries": _TRIES, "initial_delay": "300ms", "max_delay": "3s"}

_OF_A_CLOUD = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_DETAILS = re.compile(r" \[[a-z_ ]+='.*", re.DOTALL)
_STATUS = re.compile(r"^(?:[A-Z_]+: )?(?:All \d+ retry attempts failed: )?(?:CURL error )?")
_HINT = "Check the address, the network and the credentials (docs/store.md), then run it again."


def start_read(path: RemotePath, first: int | None = None, end: int | None = None) -> Any:  # noqa: ANN401 - tensorstore has no types
    """Start to read a file, or its bytes from `first` to before `end`; give the future to `received`.

    Parameters
    ----------
    path : RemotePath
    first, end : int, optional
        As in a slice; a negative `first` counts from the file's end.

    Raises
    ------
    StoreError
        If the address is none that there can be.
    """
    part = None if first is None and end is None else slice(first, end)
    future = _storage(path).read(path.key, byte_range=part)
    future.force()
    return future


def received(reading: Any, path: RemotePath, timeout_s: float = _LONGEST_S) -> bytes:  # noqa: ANN401 - tensorstore's future
    """Wait for what `start_read` began, and return it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    EOFError
        If the file has fewer bytes than were asked for.
    StoreError
        If the storage does not answer, or refuses.
    """
    try:
        result = reading.result(timeout=timeout_s)
    except (ValueError, OSError, NotImplementedError) as error:
        if str(error).startswith("OUT_OF_RANGE"):
            raise EOFError from error
        raise _unread(path, error) from error
    if result.state == "missing":
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    content: bytes = result.value
    return content


def read_file(path: RemotePath, limit_bytes: int) -> bytes:
    """Return what a file holds; raises like `received`, and StoreError if it has more than `limit_bytes`.

    The size comes with the content, so a larger file is read before it is refused.
    """
    content = received(start_read(path), path)
    if len(content) > limit_bytes:
        raise too_large(path, len(content))
    return content


def is_there(path: RemotePath) -> bool:
    """Return whether there is such a file, without reading it; raises StoreError like `received`."""
    try:
        result = _storage(path).read(path.key, byte_range=slice(0, 0)).result(timeout=_FIRST_ANSWER_S)
    except (ValueError, OSError) as error:
        if str(error).startswith("OUT_OF_RANGE"):  # there is a file of no bytes
            return True
        raise _unread(path, error) from error
    return bool(result.state != "missing")


def names_below(path: RemotePath, start: str = "") -> list[str] | None:
    """Return the names, with their slashes, of all files below `path` that start with `start`, in order.

    None where a storage cannot list what it has, as a plain web server.

    Raises
    ------
    StoreError
        Like `received`.
    """
    folder = f"{path.key}/" if path.key else ""
    first = f"{folder}{start}".encode()
    end = first[:-1] + bytes([first[-1] + 1]) if first else b""
    wanted = ts.KvStore.KeyRange(first, end)
    try:
        names = _storage(path).list(wanted, len(folder.encode())).result(timeout=_LONGEST_S)
    except NotImplementedError:
        return None
    except (ValueError, OSError) as error:
        raise _unread(path, error) from error
    return sorted(name.decode(errors="replace") for name in names)


def _unread(path: RemotePath, error: Exception) -> StoreError:
    text = str(error)
    if isinstance(error, TimeoutError) or "[curl_code='28']" in text:
        return StoreError(f"{path} cannot be read: there is no answer", hint=_HINT)
    if "http_response_code='403'" in text or "http_response_code='401'" in text:
        hint = "Check the credentials (docs/store.md): they must allow to read objects and to list the bucket."
        return StoreError(f"{path} cannot be read: access is denied", hint=hint)
    words = _STATUS.sub("", _DETAILS.sub("", text.partition("\n")[0]))
    what, _, rest = words.partition(": ")
    if rest.endswith(f": {what}"):  # curl names the kind of its error before and behind it
        words = rest.removesuffix(f": {what}")
    return StoreError(f"{path} cannot be read: {words.strip(' :.')[:300]}", hint=_HINT)


def _storage(path: RemotePath) -> Any:  # noqa: ANN401 - tensorstore has no types
    """Return the key-value store of a bucket or host; its keys are those of `RemotePath`."""
    spec, context = _described(path.root, os.environ)
    try:
        return _opened(json.dumps(spec), json.dumps(context))
    except (ValueError, OSError) as error:
        raise _unread(path, error) from error


@lru_cache(maxsize=64)
def _opened(spec: str, context: str) -> Any:  # noqa: ANN401 - tensorstore has no types
    # tensorstore reads these once, when the first request is made
    os.environ.setdefault("TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS", str(_SILENT_S))
    os.environ.setdefault("TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES", "1")
    return ts.KvStore.open(json.loads(spec), context=ts.Context(json.loads(context))).result(timeout=_FIRST_ANSWER_S)


def _described(root: str, environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return tensorstore's words for a bucket or host, and for how to ask it."""
    scheme, _, top = root.partition("://")
    match scheme:
        case "s3":
            spec = {"driver": "s3", "bucket": top}
            endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
            region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
            if endpoint:
                spec |= {"endpoint": endpoint.rstrip("/"), "aws_region": region or "us-east-1"}
            elif region:
                spec |= {"aws_region": region}
            return spec, {"s3_request_retries": _RETRIES, "aws_credentials": _credentials(environment)}
        case "gs":
            return {"driver": "gcs", "bucket": top}, {"gcs_request_retries": _RETRIES}
        case _:
            return {"driver": "http", "base_url": root, "path": "/"}, {"http_request_retries": _RETRIES}


def _credentials(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return where the credentials for S3 are; anonymous if nothing names any."""
    if environment.get("AWS_ACCESS_KEY_ID"):
        return {"type": "environment"}
    shared = environment.get("AWS_SHARED_CREDENTIALS_FILE") or str(Path.home() / ".aws" / "credentials")
    if environment.get("AWS_PROFILE") or Path(shared).is_file():
        return {"type": "profile"}
    if any(environment.get(name) for name in _OF_A_CLOUD) or environment.get("AWS_EC2_METADATA_DISABLED") == "false":
        return {"type": "default"}
    return {"type": "anonymous"}
