"""Open the wings of a build by their addresses: Ray, Milvus, and the journal in PostgreSQL."""

from functools import partial

from index.build_options import Wings
from index.journal.shared_edits import shared_edits
from index.milvus.milvus_writer import milvus_sink
from index.workers.ray_cluster import Cluster
from recommender.vectors.milvus_client import MilvusAddress


def wings_at(vectors: str = "", live: str = "", ray: str = "") -> Wings:
    """Return the wings at some addresses. An empty address leaves a wing out.

    Args:
        vectors: Address of the vectors: `milvus://host:19530/name`.
        live: Address of the journal that machines share: `postgresql://...`.
        ray: Address of a Ray cluster that includes this machine, host:port, or `auto` for a Ray that the build starts.

    Raises:
        InputError: `vectors` is not a valid address.
    """
    return Wings(
        workers=partial(Cluster, ray) if ray else None,
        vectors=partial(milvus_sink, MilvusAddress.parse(vectors)) if vectors else None,
        edits=partial(shared_edits, live) if live else None,
        addresses={"vectors": vectors, "ray": ray},  # the journal's address holds a password, so it is not stored
    )
