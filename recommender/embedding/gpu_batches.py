"""Embed texts in large batches on a GPU.

A GPU finishes a batch long before the loop of sentence-transformers has prepared the next one. So this module makes
the batches itself. It tokenizes texts on all processors at once. The longest texts go first, and each batch holds a
fixed number of tokens.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from recommender.types import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

TOGETHER = 1 << 18
"""Tokens per batch: 5 GB of GPU memory in half precision."""


class Loaded(Protocol):
    """A loaded model. See `recommender.embedding.sentence_transformer.SentenceTransformerEmbedder`."""

    model: "SentenceTransformer"
    tokenizer: "Tokenizer"
    dim: int
    window: int


def embed_in_large_batches(loaded: Loaded, texts: Sequence[str]) -> Vectors:
    """Return the vectors of texts: float32 (len(texts), dim), unit norm, computed in the precision of the model."""
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
