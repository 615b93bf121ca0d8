"""Open a file of records, compressed or not."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any, cast

from recommender.errors import InputError, InvalidArticle

MAX_RECORD = 64 << 20
"""Longest record in bytes. A longer record is not an article, and is not read into memory."""


MAX_BARREN = 4 << 20
"""Maximum number of compressed bytes in a row without any output.

Tables of seekable archives have none, and neither have endless chains of empty parts.
"""

BUFFER = 1 << 16
"""Bytes per read, and the number that can be peeked at before a read."""


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading, and decompress a `.gz` or `.zst` file during the reads.

    Damage raises InvalidArticle (`bad_compression`) after all data before it is read, or InputError if there is none.
    """
    ending = path.suffix.lower()
    if ending == ".zst":
        import zstandard

        with path.open("rb") as file:
            fed = _Fed(file)
            yield BufferedReader(cast("RawIOBase", _Whole(path, fed, _Zstd(fed), EOFError, zstandard.ZstdError)), BUFFER)
    elif ending == ".gz":
        with path.open("rb") as file:
            fed = _Fed(file)
            unzipped = gzip.GzipFile(fileobj=cast("IO[bytes]", fed))
            yield BufferedReader(cast("RawIOBase", _Whole(path, fed, unzipped, EOFError, gzip.BadGzipFile, zlib.error)), BUFFER)
    else:
        with path.open("rb", buffering=BUFFER) as file:
            yield cast("BufferedReader", file)


class _Whole(RawIOBase):
    """A decompressed stream that reports damage as an `InvalidArticle`, after all data before it."""

    def __init__(self, path: Path, fed: "_Fed", stream: "gzip.GzipFile | _Zstd", *faults: type[Exception]) -> None:
        self._path = path
        self._fed = fed
        self._stream = stream
        self._faults: tuple[type[Exception], ...] = (*faults, _Barren)
        self._fault: Exception | None = None
        self._any = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer, so that a peek at the beginning sees more than a short first frame."""
        filled = 0
        while filled < len(buffer) and self._fault is None:
            try:
                read = self._stream.read1(len(buffer) - filled)
            except self._faults as error:
                self._fault = error
                break
            if not read:
                break
            self._fed.n_barren = 0
            buffer[filled : filled + len(read)] = read
            filled += len(read)
        self._any = self._any or filled > 0
        if not filled and self._fault is not None:
            raise self._told(self._fault) from self._fault
        return filled

    def _told(self, fault: Exception) -> InputError:
        if not self._any:
            ending = self._path.suffix
            return InputError(f"{self._path} cannot be decompressed as {ending} ({fault}) - export it again, or correct its ending")
        reason = f"the compressed file is damaged or cut off here ({fault}) - the rest was not read; export it again"
        return InvalidArticle("bad_compression", reason)


class _Barren(Exception):
    """The error for a compressed file that continues without output."""


class _Fed:
    """The bytes of a compressed file.

    Attributes:
        n_barren: Bytes read since the last output.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.n_barren = 0

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes.

        Raises:
            _Barren: Too many bytes gave no output.
        """
        raw = self._file.read(size)
        self.n_barren += len(raw)
        if self.n_barren > MAX_BARREN:
            raise _Barren(f"{MAX_BARREN >> 20} MiB of it hold nothing")
        return raw


class _Zstd:
    """A decompressor of Zstandard frames. Unlike the library's own reader it detects a truncated file."""

    STEP = 2048
    """Compressed bytes per step. They can become 64 MiB."""

    def __init__(self, file: _Fed) -> None:
        self._file = file
        self._frame: Any = None
        self._compressed = b""
        self._ready = memoryview(b"")  # sliced without copying: a decompression bomb is sliced a thousand times

    def read1(self, size: int) -> memoryview:
        while not self._ready:
            self._compressed = self._compressed or self._file.read(self.STEP)
            if not self._compressed:
                if self._frame is not None:
                    raise EOFError("it ends within a frame")
                return self._ready
            self._step()
        read, self._ready = self._ready[:size], self._ready[size:]
        return read

    def _step(self) -> None:
        import zstandard

        self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._ready = memoryview(self._frame.decompress(self._compressed))
        self._compressed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None


def lines(file: BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Yield the number and the bytes of every line, or None for a line that is too long for an article."""
    number = 0
    while line := file.readline(MAX_RECORD + 1):
        number += 1
        if len(line) <= MAX_RECORD:
            yield number, line
            continue
        yield number, None
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_RECORD)
