"""Connect to Milvus, which stores vectors too many for one machine: parse its address, and retry calls.

    milvus://host:19530/readmore         a server, and the archive's name on it
    milvus+tls://host:19530/readmore     the same, encrypted

A release is a collection of two partitions, which are searched separately. The archive's name is an alias for the
serving release.

    readmore_20261123T121500Z_1f3a     articles   id: row of the article                  vector: the mean of its chunks
                                       chunks     id: FIRST_CHUNK + row of the chunk      vector: its own

Each vector also has the fields `article` (its row), `article_id`, `section`, `lang`, `published` and `release`.
A reader of an open release uses the collection's own name, so that rows always match its catalogue. The alias
is for direct queries to Milvus.
"""

import logging
import os
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recommender.errors import InputError, VectorsUnavailable

if TYPE_CHECKING:
    from pymilvus import MilvusClient

VARIABLE = "READMORE_VECTORS"
"""Environment variable with the default address."""

TOKEN = "READMORE_VECTORS_TOKEN"  # noqa: S105
"""Environment variable with `user:password` or a token, if the server requires one.

Addresses are printed and stored. This value is not.
"""

ARTICLES, CHUNKS = "articles", "chunks"
FIRST_CHUNK = 1 << 40

NO_DATE = -(1 << 62)
"""Value of `published` for an undated article. Milvus has no null value, and cannot read the least int64."""

TRY_S, PATIENCE_S = 3.0, 5.0
"""Timeout of one attempt, and of all attempts of a call, in seconds."""

NOT_FOUND = 100
NEVER_PASSES = "not enough"
"""Milvus has fewer nodes than requested replicas. Waiting adds none."""

ADDRESS = re.compile(r"milvus(?P<tls>\+tls)?://(?P<server>[^/@]+)/(?P<name>[A-Za-z_][A-Za-z0-9_]{0,99})")


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """Address of the vectors of an archive.

    Attributes:
        server: The URI for pymilvus.
        name: Name of the archive on that server.
    """

    server: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "MilvusAddress":
        """Read `milvus://host:19530/readmore`.

        Raises:
            InputError: The text is not a valid address.
        """
        found = ADDRESS.fullmatch(text)
        if found is None:
            shown = text.rpartition("@")[2][:100]  # a password may come before it
            raise InputError(f"{shown!r} is no address of vectors - write milvus://host:19530/name, the name in letters, digits and _")
        return cls(f"{'https' if found['tls'] else 'http'}://{found['server']}", found["name"])

    def collection(self, release: str) -> str:
        """Return the name of a release's collection.

        >>> MilvusAddress("http://localhost:19530", "readmore").collection("20261123T121500Z-1f3a")
        'readmore_20261123T121500Z_1f3a'
        """
        return f"{self.name}_{release.replace('-', '_')}"


class Milvus:
    """Calls to one server. Safe to share between threads. The first call opens the connection.

    Args:
        try_s: Timeout of one attempt, in seconds.
        patience_s: Seconds in which a call is retried, with random delays, because many clients must not retry at once.
    """

    def __init__(self, address: MilvusAddress, try_s: float = TRY_S, patience_s: float = PATIENCE_S) -> None:
        self.address = address
        self._try_s, self._patience_s = try_s, patience_s
        self._connecting = threading.Lock()
        self._client: MilvusClient | None = None

    def ask(self, call: str, *of: Any, **options: Any) -> Any:
        """Call a method of pymilvus' client.

        Raises:
            VectorsUnavailable: Milvus did not answer in time, or lacks the requested data.
        """
        from grpc import RpcError
        from pymilvus.exceptions import MilvusException
        from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

        def passes(error: BaseException) -> bool:
            if isinstance(error, MilvusException):
                return error.code != NOT_FOUND and NEVER_PASSES not in str(error.message)
            return isinstance(error, RpcError)

        again = Retrying(
            stop=stop_after_delay(self._patience_s),
            wait=wait_random_exponential(multiplier=0.1, max=3.0),
            retry=retry_if_exception(passes),
            reraise=True,
        )
        options = {"timeout": self._try_s, **options}
        try:
            return again(lambda: getattr(self._connected(), call)(*of, **options))
        except (MilvusException, RpcError) as error:
            reason = str(getattr(error, "message", "") or error)[:300]
            raise VectorsUnavailable(
                f"Milvus at {self.address.server} did not {call.replace('_', ' ')} ({reason}) - see that it runs, and takes {TOKEN}"
            ) from error

    def _connected(self) -> "MilvusClient":
        with self._connecting:
            if self._client is None:
                from pymilvus import MilvusClient

                logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints every error that it raises, with a traceback
                self._client = MilvusClient(self.address.server, token=os.environ.get(TOKEN, ""), timeout=self._try_s)
            return self._client

    def close(self) -> None:
        """Close the connection."""
        with self._connecting:
            if self._client is not None:
                self._client.close()
                self._client = None
