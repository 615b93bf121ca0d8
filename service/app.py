"""Build the FastAPI app: routes, middleware and error handlers around one open index."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from recommender import Embedder
from service import desk
from service.http import problems
from service.http.answer_cache import KeptAnswers
from service.http.bounded_executor import Lane, TextLanes
from service.middleware.access import Gate
from service.middleware.request_context import BodyLimit, CachePolicy, RequestName
from service.release_holder import ReleaseHolder
from service.routes import articles, home, operations, related_articles, widget
from service.settings import Settings

WAITING_WRITES = 100

WRITE_S = 60.0
"""Timeout of an article upsert, in seconds."""

LAST_S = 0.7
"""Seconds that threads have to end after the last request. Then the process exits without them.

No client has received a success response for their unfinished work.
"""

PREFLIGHT_S = 3600


def create_app(settings: Settings, embedder: Embedder | None = None) -> FastAPI:
    """Open an index and return the app that serves it.

    Args:
        embedder: The model that the index was built with, if it is not the bundled one. The first text loads it.

    Raises:
        IndexUnusable: The folder holds no sound index.
        InvalidOverride: The overrides file cannot be used.
    """
    serving = ReleaseHolder(settings.index, embedder, settings.overrides, settings.vectors, settings.live, writes=bool(settings.admin_keys))
    text_lanes, write_lane = TextLanes(settings.text_queue, settings.text_timeout_s), Lane("write", WAITING_WRITES, WRITE_S)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        watching = [asyncio.create_task(watch()) for watch in (serving.watch, serving.watch_condition, serving.watch_journal)]
        on_signal = threading.current_thread() is threading.main_thread()  # only the main thread receives signals
        if on_signal:
            loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, serving.reload))
        yield
        for task in watching:
            task.cancel()
        for part in (text_lanes, write_lane, serving):
            part.stop()
        if on_signal:
            loop.remove_signal_handler(signal.SIGHUP)
            signal.setitimer(signal.ITIMER_REAL, LAST_S)  # SIGALRM ends the process, whatever its threads do
        text_lanes.close()
        write_lane.close()
        serving.close()

    app = FastAPI(
        title="Readmore",
        summary="What should a reader of this article read next?",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # the built-in pages load their scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # an eighth of a cached answer's time; service/metrics.py measures
    )
    app.state.serving = serving
    app.state.text_lanes = text_lanes
    app.state.write_lane = write_lane
    app.state.archive_health = desk.health.Counts()
    with serving.held() as recommender:
        app.state.example_id = quote(recommender.catalogue.card(0).id)
    for part in (related_articles, articles, operations, home, widget, desk):
        app.include_router(part.router)
    app.mount("/docs/static", StaticFiles(packages=[("fastapi_offline", "static")]))
    app.mount("/desk/static", StaticFiles(directory=Path(__file__).parent / "static"))  # under /desk, browsers send the key with it
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    problems.install(app)
    app.add_middleware(
        KeptAnswers, serving=serving, make=related_articles.without_parameters
    )  # the innermost middleware: the last one added runs first
    app.add_middleware(BodyLimit, timeout_s=settings.body_timeout_s)
    app.add_middleware(Gate, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-API-Key"],
            expose_headers=["ETag", "Retry-After", "X-Request-ID"],
            max_age=PREFLIGHT_S,
        )
    app.add_middleware(RequestName, caching=CachePolicy(settings))
    return app
