"""Embedding on a GPU: it is through with a batch long before sentence-transformers' own loop has made the next one; so we make them.

Texts are tokenized on all processors at once; the longest go first, as many together as have so many tokens.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from recommender.types import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

TOGETHER = 1 << 18
"""Tokens that go through the model at a time: 5 GB of a GPU's memory in half precision."""


class Loaded(Protocol):
    """A model that is loaded; see `recommender.embedding.sentence_transformer.SentenceTransformerEmbedder`."""

    model: "SentenceTransformer"
    tokenizer: "Tokenizer"
    dim: int
    window: int


def embed_in_large_batches(loaded: Loaded, texts: Sequence[str]) -> Vectors:
    """The vectors of texts: float32 (len(texts), dim), unit norm; in whatever precision the model computes."""
    import torch

    model, window = loaded.model, loaded.window
    found = [encoding.ids for encoding in loaded.tokenizer.encode_batch(list(texts))]
    ids = [np.array(of if len(of) <= window else [*of[: window - 1], of[-1]]) for of in found]
    order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    vectors = torch.empty((len(ids), loaded.dim), dtype=torch.float32, device=model.device)
    first = 0
    with torch.inference_mode():
        while first < len(order):
            width = len(ids[order[first]])
            rows = order[first : first + max(1, TOGETHER // width)]
            tokens, mask = np.zeros((2, len(rows), width), dtype=np.int64)
            for place, row in enumerate(rows):
                tokens[place, : len(ids[row])], mask[place, : len(ids[row])] = ids[row], 1
            inputs = {"input_ids": tokens, "attention_mask": mask}
            told = model({name: torch.from_numpy(array).to(model.device) for name, array in inputs.items()})
            vectors[rows] = torch.nn.functional.normalize(told["sentence_embedding"].float(), dim=1)
            first += len(rows)
    return np.asarray(vectors.cpu().numpy(), dtype=np.float32)
