"""Milvus, where the vectors of an archive lie that one machine cannot hold: its address, and calls that outlast a short absence.

    milvus://host:19530/readmore         a server, and the archive's name on it
    milvus+tls://host:19530/readmore     the same, encrypted

A release is a collection of two partitions, which are searched apart. The archive's name is an alias: of the release that serves.

    readmore_20261123T121500Z_1f3a     articles   id: row of the article                  vector: the mean of its chunks
                                       chunks     id: FIRST_CHUNK + row of the chunk      vector: its own

Beside the vector lie `article` (its row), `article_id`, `section`, `lang`, `published` and `release`. Who has opened a release reads the
collection by its own name, so that rows are always those of its catalogue; the alias is for whoever asks Milvus itself.
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
"""Of the environment: the address, where none is given."""

TOKEN = "READMORE_VECTORS_TOKEN"  # noqa: S105
"""Of the environment: `user:password`, or a token, where the server asks for one. Addresses are printed and kept; this is not."""

ARTICLES, CHUNKS = "articles", "chunks"
FIRST_CHUNK = 1 << 40

NO_DATE = -(1 << 62)
"""What `published` is of an undated article: Milvus has no word for nothing, and cannot read the least of all numbers."""

TRY_S, PATIENCE_S = 3.0, 5.0
"""Seconds that a call may take, and in which it is tried again."""

NOT_FOUND = 100
NEVER_PASSES = "not enough"
"""Milvus has fewer nodes than replicas were asked for; waiting adds none."""

ADDRESS = re.compile(r"milvus(?P<tls>\+tls)?://(?P<server>[^/@]+)/(?P<name>[A-Za-z_][A-Za-z0-9_]{0,99})")


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """Where the vectors of an archive lie.

    Attributes:
        server: What pymilvus connects to.
        name: Of the archive on that server.
    """

    server: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "MilvusAddress":
        """Read `milvus://host:19530/readmore`.

        Raises:
            InputError: It is something else.
        """
        found = ADDRESS.fullmatch(text)
        if found is None:
            shown = text.rpartition("@")[2][:100]  # a password may stand before it
            raise InputError(f"{shown!r} is no address of vectors - write milvus://host:19530/name, the name in letters, digits and _")
        return cls(f"{'https' if found['tls'] else 'http'}://{found['server']}", found["name"])

    def collection(self, release: str) -> str:
        """Name of a release's collection.

        >>> MilvusAddress("http://localhost:19530", "readmore").collection("20261123T121500Z-1f3a")
        'readmore_20261123T121500Z_1f3a'
        """
        return f"{self.name}_{release.replace('-', '_')}"


class Milvus:
    """Calls to one server; safe to share between threads. Nothing is connected before the first call.

    Args:
        try_s: Seconds after which a call is given up.
        patience_s: Seconds in which it is tried again, at times that differ by chance: many who wait do not come back all at once.
    """

    def __init__(self, address: MilvusAddress, try_s: float = TRY_S, patience_s: float = PATIENCE_S) -> None:
        self.address = address
        self._try_s, self._patience_s = try_s, patience_s
        self._connecting = threading.Lock()
        self._client: MilvusClient | None = None

    def ask(self, call: str, *of: Any, **options: Any) -> Any:
        """Call a method of pymilvus' client.

        Raises:
            VectorsUnavailable: Milvus did not answer in time, or has not what was asked for.
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
        """Let the connection go."""
        with self._connecting:
            if self._client is not None:
                self._client.close()
                self._client = None
