"""The app: routes, middleware and errors around one open index."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from recommender import Embedder, Recommender
from service import pages, problems, routes
from service.middleware import BodyLimit, RequestName


def create_app(index_dir: Path, embedder: Embedder | None = None) -> FastAPI:
    """Open an index and make the app that serves it.

    Args:
        index_dir: The folder that `scripts/build_index.py` wrote.
        embedder: The model the index was built with, where it is not the bundled one. Loaded with the first text.

    Raises:
        IndexUnusable: There is no sound index in the folder.
    """
    recommender = Recommender.open(index_dir, embedder)
    text_lane = ThreadPoolExecutor(max_workers=1, thread_name_prefix="text")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        text_lane.shutdown()
        recommender.close()

    app = FastAPI(
        title="Readmore",
        summary="What should a reader of this article read next?",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # the built-in pages load their scripts from another host
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.recommender = recommender
    app.state.text_lane = text_lane
    app.state.example_id = quote(recommender.catalogue.card(0).id)
    app.include_router(routes.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestName)
    return app
