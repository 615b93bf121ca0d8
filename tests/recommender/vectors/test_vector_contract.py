"""What every kind of vector index must do, asked of all alike: FAISS, flat and in two tiers, milvus-lite, and a real Milvus server.

The truth is plain arithmetic over the vectors that were written.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from index.milvus import milvus_writer
from index.milvus.milvus_writer import MilvusFields, finish, prune, serve, serving, write_vectors
from index.vectors import vector_writer as writing
from index.vectors.vector_writer import write_chunks, write_tiers
from recommender import Recommender
from recommender.errors import IndexDamaged, InputError, StorageError, VectorsUnavailable
from recommender.features.article_features import ArticleFeatures, Layout
from recommender.features.feature_schema import UNDATED
from recommender.features.filters import SearchFilter
from recommender.features.ranker import DECIMALS
from recommender.types import Vectors
from recommender.vectors import maxsim
from recommender.vectors.exact import FlatIndex, VectorIndex
from recommender.vectors.milvus_client import CHUNKS, FIRST_CHUNK, VARIABLE, Milvus, MilvusAddress
from recommender.vectors.milvus_index import MilvusIndex
from recommender.vectors.two_tier import open_vectors
from tests.support.milvus_server import Running, milvus_server

A_SERVER = pytest.mark.cluster

N, DIM, K = 1200, 32, 10
SECTIONS = {"half": 0, "tenth": 1, "rare": 2, "rest": 3}
RELEASE, NEXT = "20261123T121500Z-1f3a", "20261124T121500Z-0000"


@dataclass(frozen=True)
class Made:
    """An archive of articles of one to four chunks, in stories of about six articles."""

    chunks: Vectors
    layout: Layout
    facts: ArticleFeatures
    told: list[MilvusFields]

    def article(self, row: int) -> Vectors:
        return self.chunks[self.layout.offsets[row] : self.layout.offsets[row + 1]]

    def score(self, query: Vectors, row: int) -> float:
        cosines = query @ self.article(row).T
        score = float(cosines.max(axis=1).mean() + cosines.max(axis=0).mean()) / 2
        return min(max(round(score, DECIMALS), 0.0), 1.0)

    def truly_nearest(self, own_row: int, mask: np.ndarray) -> list[int]:
        others = [row for row in np.flatnonzero(mask).tolist() if row != own_row]
        return sorted(others, key=lambda row: (-self.score(self.article(own_row), row), self.layout.tie_order[row]))[:K]

    def without_last(self) -> "Made":
        """The next release: the last article is gone, the first says what the tenth says."""
        chunks = self.chunks[: self.layout.offsets[-2]].copy()
        first = slice(0, self.layout.offsets[1])
        chunks[first] = np.resize(self.article(10), chunks[first].shape)
        layout = Layout(self.layout.offsets[:-1], np.argsort(self.layout.tie_order[:-1]))
        return replace(self, chunks=chunks, layout=layout, told=self.told[:-1])


@pytest.fixture(scope="module")
def made() -> Made:
    chance = np.random.default_rng(3)
    sizes = chance.integers(1, 5, N)
    stories = chance.standard_normal((N // 6, DIM))
    centres = stories[chance.integers(0, len(stories), N)] + 0.5 * chance.standard_normal((N, DIM))
    chunks = np.repeat(centres, sizes, axis=0) + 0.6 * chance.standard_normal((sizes.sum(), DIM))
    chunks = (chunks / np.linalg.norm(chunks, axis=1, keepdims=True)).astype(np.float32)
    section = chance.choice([0, 1, 2, 3], N, p=[0.5, 0.1, 0.02, 0.38]).astype(np.int32)
    published = np.where(np.arange(N) % 7 == 0, UNDATED, 1_000_000 + 1000 * np.arange(N))
    none = np.zeros(N, dtype=np.float32)
    facts = ArticleFeatures(published, section, none, none > 0, np.arange(N, dtype=np.int32), np.zeros((N, 2), dtype=np.float16), SECTIONS)
    names = list(SECTIONS)
    told = [MilvusFields(f"article-{row}", names[section[row]], "en", int(published[row])) for row in range(N)]
    return Made(chunks, Layout(np.concatenate([[0], np.cumsum(sizes)]), chance.permutation(N)), facts, told)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with milvus_server(tmp_path_factory.mktemp("milvus")) as running:
        yield running


def connected(address: MilvusAddress) -> Milvus:
    return Milvus(address, try_s=60, patience_s=240)


Write = Callable[[Made, str], VectorIndex]


@pytest.fixture(scope="module", params=["flat", "tiered", *(pytest.param(kind, marks=A_SERVER) for kind in ("milvus-lite", "milvus"))])
def write(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Write]:
    """How each kind writes a release, and opens it."""
    kind = request.param
    if kind.startswith("milvus"):
        lite = MilvusAddress(str(tmp_path_factory.mktemp("lite") / "lite.db"), "contract")
        milvus = connected(lite if kind == "milvus-lite" else request.getfixturevalue("server").address("contract"))

        def to_milvus(made: Made, release: str) -> VectorIndex:
            truth = FlatIndex.build(made.chunks)
            list(write_vectors(milvus, release, made.told, made.layout, truth, "FLAT" if kind == "milvus-lite" else "HNSW"))
            return finish(milvus, release, made.layout, truth)

        yield to_milvus
        milvus.close()
        return

    def to_disk(made: Made, release: str) -> VectorIndex:
        folder = tmp_path_factory.mktemp(f"{kind}-{release}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "EXACT", 20 if kind == "tiered" else writing.EXACT)
            write_chunks(np.array_split(made.chunks, 7), len(made.chunks), DIM, folder)
            write_tiers(made.layout, folder)
        return open_vectors(folder)

    yield to_disk


@pytest.fixture(scope="module")
def index(write: Write, made: Made) -> VectorIndex:
    return write(made, RELEASE)


def recall(index: VectorIndex, made: Made, wanted: SearchFilter | None = None) -> float:
    mask = np.ones(N, dtype=np.bool_) if wanted is None else wanted.mask
    asked = list(range(0, N, 80))
    found = maxsim.nearest([made.article(row) for row in asked], index, made.layout, K, asked, wanted)
    shares = []
    for row, (rows, scores) in zip(asked, found, strict=True):
        assert row not in rows
        assert mask[rows].all(), "what is not wanted is not found"
        assert (np.diff(scores) <= 0).all()
        true = made.truly_nearest(row, mask)
        shares.append(len(np.intersect1d(rows, true)) / len(true))
    return float(np.mean(shares))


def test_the_closest_are_found(index: VectorIndex, made: Made) -> None:
    least = 1.0 if isinstance(index, FlatIndex) else 0.97
    assert recall(index, made) >= least


@pytest.mark.parametrize("share", ["half", "tenth", "rare"])
def test_a_filter_that_keeps_little_still_finds_the_true_ones(index: VectorIndex, made: Made, share: str) -> None:
    least = 1.0 if isinstance(index, FlatIndex) else 0.97
    assert recall(index, made, SearchFilter(made.facts, (share,))) >= least


def test_dates_are_filtered_and_undated_articles_left_out(index: VectorIndex, made: Made) -> None:
    wanted = SearchFilter(made.facts, published_after=1_200_000, published_before=1_600_000)
    assert recall(index, made, wanted) >= 0.9
    assert recall(index, made, SearchFilter(made.facts, published_before=1_600_000)) >= 0.9


def test_vectors_come_back_by_row(index: VectorIndex, made: Made) -> None:
    assert (len(index), index.dim) == (len(made.chunks), DIM)
    rows = np.array([5, 0, len(made.chunks) - 1, 5])
    assert np.einsum("ij,ij->i", index.vectors(rows), made.chunks[rows]).min() > 0.9999


def test_the_next_release_holds_what_changed_and_not_what_went(write: Write, index: VectorIndex, made: Made) -> None:
    changed = made.without_last()
    after = write(changed, NEXT)
    assert (len(index), len(after)) == (len(made.chunks), len(changed.chunks))
    (rows, scores), *_ = maxsim.nearest([changed.article(10)], after, changed.layout, K, [10])
    assert rows[0] == 0
    assert scores[0] > 0.95
    (gone, _), *_ = maxsim.nearest([made.article(N - 1)], after, changed.layout, K, [None])
    assert N - 1 not in gone
    assert maxsim.nearest([made.article(N - 1)], index, made.layout, K, [None])[0][0][0] == N - 1, "the old release is as it was"


# What only a server does.


@A_SERVER
def test_what_is_sent_twice_is_there_once_and_what_is_deleted_is_gone(server: Running, made: Made) -> None:
    milvus = connected(server.address("twice"))
    truth = FlatIndex.build(made.chunks)
    for _ in range(2):
        list(write_vectors(milvus, RELEASE, made.told[:300], Layout(made.layout.offsets[:301], made.layout.tie_order), truth))
    few = Layout(made.layout.offsets[:301], made.layout.tie_order[:300])
    index = finish(milvus, RELEASE, few, truth)
    assert (index.n_articles, len(index)) == (300, made.layout.offsets[300])
    milvus.ask("delete", milvus.address.collection(RELEASE), ids=[FIRST_CHUNK + 3], partition_name=CHUNKS)
    with pytest.raises(StorageError, match="the old release serves"):
        finish(milvus, RELEASE, few, truth)
    milvus.close()


@A_SERVER
def test_other_vectors_than_were_written_are_refused(server: Running, made: Made) -> None:
    milvus = connected(server.address("canaries"))
    few = Layout(made.layout.offsets[:101], made.layout.tie_order[:100])
    list(write_vectors(milvus, RELEASE, made.told, few, FlatIndex.build(made.chunks)))
    with pytest.raises(StorageError, match="other vectors"):
        finish(milvus, RELEASE, few, FlatIndex.build(made.chunks[::-1]))
    assert serving(milvus) is None
    milvus.close()


@A_SERVER
def test_the_alias_is_switched_under_load_and_orphans_are_pruned(server: Running, made: Made) -> None:
    milvus = connected(server.address("switched"))
    truth, releases = FlatIndex.build(made.chunks), [RELEASE, NEXT]
    few = Layout(made.layout.offsets[:301], made.layout.tie_order[:300])
    for release in releases:
        list(write_vectors(milvus, release, made.told, few, truth))
        finish(milvus, release, few, truth)
    serve(milvus, RELEASE)
    by_alias = MilvusIndex(connected(milvus.address), "switched")
    errors, answers, stop = list[Exception](), list[int](), threading.Event()

    def search() -> None:
        while not stop.is_set():
            try:
                answers.append(len(by_alias.search(made.chunks[:1], K, CHUNKS)[0][1]))
            except Exception as error:  # noqa: BLE001 - all are counted
                errors.append(error)

    searching = threading.Thread(target=search)
    searching.start()
    for turn in range(20):
        serve(milvus, releases[turn % 2])
        time.sleep(0.05)
    stop.set()
    searching.join()
    assert not errors
    assert set(answers) == {K}
    serve(milvus, RELEASE)
    list(write_vectors(milvus, "20261125T121500Z-dead", made.told, Layout(few.offsets[:11], few.tie_order[:10]), truth))  # and dies
    assert serving(milvus) == milvus.address.collection(RELEASE)
    assert prune(milvus, [RELEASE, NEXT]) == ["switched_20261125T121500Z_dead"]
    assert prune(milvus, []) == [milvus.address.collection(NEXT)], "what the alias names stays"
    milvus.close()


@A_SERVER
def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(server: Running, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_writer, "BLOCK", 100)
    milvus, truth = connected(server.address("killed")), FlatIndex.build(made.chunks)
    few = Layout(made.layout.offsets[:301], made.layout.tie_order[:300])
    list(write_vectors(milvus, RELEASE, made.told, few, truth))
    finish(milvus, RELEASE, few, truth)
    serve(milvus, RELEASE)
    done = write_vectors(milvus, NEXT, made.told, made.layout, truth)
    acknowledged = [next(done) for _ in range(4)][-1]
    server.kill()
    with pytest.raises(VectorsUnavailable, match=r"did not search.*see that it runs"):
        MilvusIndex.search(_impatient(server, "killed"), made.chunks[:1], K, CHUNKS)
    back = threading.Thread(target=server.start)
    back.start()  # while the build tries again
    counts = list(done)
    back.join()
    assert counts[0] == acknowledged + 100
    assert counts[-1] == N
    index = finish(milvus, NEXT, made.layout, truth)
    assert (index.n_articles, len(index)) == (N, len(made.chunks)), "complete, and nothing twice"
    assert serving(milvus) == milvus.address.collection(RELEASE), "the old release serves until the new one is verified"
    old = MilvusIndex(milvus, milvus.address.collection(RELEASE))
    assert old.search(made.chunks[:1], 1, CHUNKS)[0][1].tolist() == [0]
    serve(milvus, NEXT)
    assert serving(milvus) == milvus.address.collection(NEXT)
    milvus.close()


def _impatient(server: Running, name: str) -> MilvusIndex:
    """An index that was opened while the server was there, so to say."""
    index = object.__new__(MilvusIndex)
    index._milvus, index._collection = Milvus(server.address(name), try_s=0.5, patience_s=1), name
    return index


@A_SERVER
def test_missing_vectors_are_an_error(server: Running, made: Made) -> None:
    milvus = connected(server.address("missing"))
    few = Layout(made.layout.offsets[:101], made.layout.tie_order[:100])
    list(write_vectors(milvus, RELEASE, made.told, few, FlatIndex.build(made.chunks)))
    index = finish(milvus, RELEASE, few, FlatIndex.build(made.chunks))
    with pytest.raises(IndexDamaged, match="has 1 of 2 vectors"):
        index.vectors(np.array([0, len(made.chunks) + 5]))
    milvus.close()


@pytest.mark.parametrize(
    "wrong", ["localhost:19530", "milvus://localhost:19530", "milvus://localhost/two words", "http://localhost/readmore"]
)
def test_an_address_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(InputError, match="write milvus://"):
        MilvusAddress.parse(wrong)
    assert MilvusAddress.parse("milvus://localhost:19530/readmore") == MilvusAddress("http://localhost:19530", "readmore")


def test_the_environment_says_where_vectors_are(index_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "elsewhere")
    with pytest.raises(InputError, match="'elsewhere' is no address of vectors"):
        Recommender.open(index_dir)
    with pytest.raises(InputError, match="'here' is no address of vectors"):
        Recommender.open(index_dir, vectors="here")
