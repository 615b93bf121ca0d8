"""The app: routes, middleware and errors around one open index."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from recommender import Embedder
from service import pages, problems, routes
from service.middleware import BodyLimit, RequestName
from service.serving import Serving


def create_app(index_dir: Path, embedder: Embedder | None = None) -> FastAPI:
    """Open an index and make the app that serves it.

    Args:
        index_dir: The folder that `scripts/build_index.py` wrote.
        embedder: The model the index was built with, where it is not the bundled one. Loaded with the first text.

    Raises:
        IndexUnusable: There is no sound index in the folder.
    """
    serving = Serving(index_dir, embedder)
    text_lane = ThreadPoolExecutor(max_workers=1, thread_name_prefix="text")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(serving.watch())
        on_signal = threading.current_thread() is threading.main_thread()  # elsewhere nobody gets signals
        if on_signal:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: text_lane.submit(serving.reload))
        yield
        watching.cancel()
        if on_signal:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        text_lane.shutdown()
        serving.close()

    app = FastAPI(
        title="Readmore",
        summary="What should a reader of this article read next?",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # the built-in pages load their scripts from another host
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.serving = serving
    app.state.text_lane = text_lane
    with serving.held() as recommender:
        app.state.example_id = quote(recommender.catalogue.card(0).id)
    app.include_router(routes.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestName)
    return app
