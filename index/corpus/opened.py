"""Open a file of records, compressed or not."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any, cast

from recommender.errors import InvalidArticle

MAX_RECORD = 64 << 20
"""Bytes of one record; a longer one is no article, and is not read into memory."""


BUFFER = 1 << 16
"""Bytes read at a time: so many can be looked at before they are read."""


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The bytes of a file, those of a `.gz` or `.zst` file decompressed as they are read."""
    ending = path.suffix.lower()
    if ending == ".zst":
        import zstandard

        with path.open("rb") as file:
            yield BufferedReader(cast("RawIOBase", _Whole(_Zstd(file), EOFError, zstandard.ZstdError)), BUFFER)
    elif ending == ".gz":
        with gzip.open(path, "rb") as unzipped:
            yield BufferedReader(cast("RawIOBase", _Whole(unzipped, EOFError, gzip.BadGzipFile, zlib.error)), BUFFER)
    else:
        with path.open("rb", buffering=BUFFER) as file:
            yield cast("BufferedReader", file)


class _Whole(RawIOBase):
    """A decompressed stream whose damage is told as an `InvalidArticle`, after all that stood before it."""

    def __init__(self, stream: "gzip.GzipFile | _Zstd", *faults: type[Exception]) -> None:
        self._stream = stream
        self._faults = faults

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            read = self._stream.read(len(buffer))
        except self._faults as error:
            reason = f"the compressed file is damaged or cut off here ({error}) - the rest was not read; export it again"
            raise InvalidArticle("bad_compression", reason) from error
        buffer[: len(read)] = read
        return len(read)


class _Zstd:
    """Zstandard frames, decompressed; unlike the library's own reader it knows a file that ends too early."""

    STEP = 2048
    """Bytes decompressed at a time: they can become 64 MiB."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._frame: Any = None
        self._compressed = self._ready = b""

    def read(self, size: int) -> bytes:
        while not self._ready:
            self._compressed = self._compressed or self._file.read(self.STEP)
            if not self._compressed:
                if self._frame is not None:
                    raise EOFError("it ends within a frame")
                return b""
            self._step()
        read, self._ready = self._ready[:size], self._ready[size:]
        return read

    def _step(self) -> None:
        import zstandard

        self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._ready = self._frame.decompress(self._compressed)
        self._compressed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None


def lines(file: BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of every line; None for one that is too long to be an article."""
    number = 0
    while line := file.readline(MAX_RECORD + 1):
        number += 1
        if len(line) <= MAX_RECORD:
            yield number, line
            continue
        yield number, None
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_RECORD)
