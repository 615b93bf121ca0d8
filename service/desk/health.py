"""Report on the whole archive: unlisted articles, hubs, old, empty or broken lists, and near-duplicates."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request
from numpy.typing import NDArray
from starlette.responses import Response

from index.maintenance.archive_stats import LENGTH, ArchiveHealth, measured_apart
from recommender import Recommender
from recommender.errors import ReadmoreError
from service.desk.page import page
from service.http.parameters import Whole
from service.routes.related_articles import serving_of

MOST_SHOWN = 30
"""Articles named of each kind."""

YEAR = timedelta(days=365.25)

log = structlog.get_logger()
router = APIRouter()


class Counts:
    """The counts of the release that serves, computed once at the first request. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: tuple[str, str] | None = None
        self._found: ArchiveHealth | None = None
        self._fault: str | None = None

    def of(self, recommender: Recommender) -> tuple[ArchiveHealth | None, str | None]:
        """Return the counts, or the reason why counting failed. Both are None while counting runs."""
        asked = recommender.release.name, recommender.ranker.to_json()
        with self._lock:
            if self._of != asked:
                self._of, self._found, self._fault = asked, None, None
                threading.Thread(target=self._count, args=(asked, recommender), name="archive health", daemon=True).start()
            return self._found, self._fault

    def _count(self, asked: tuple[str, str], recommender: Recommender) -> None:
        found, fault = None, None
        try:
            found = measured_apart(recommender.release.folder, recommender.ranker)
        except (ReadmoreError, OSError) as error:
            log.error("not_counted", detail=str(error))
            fault = "the lists could not be counted - see the log"
        with self._lock:
            if self._of == asked:  # else another release serves by now
                self._found, self._fault = found, fault


@router.head("/desk/health")
@router.get("/desk/health")
def health(request: Request, years: Annotated[Whole, Query(ge=1, le=50)] = 5) -> Response:
    """Return the page of problems in the archive. While counting runs, the page says so."""
    counts: Counts = request.app.state.archive_health
    with serving_of(request).held() as recommender:
        found, fault = counts.of(recommender)
        shown: dict[str, Any] = {"counted": found is not None, "uncounted": fault, "years": years, "length": LENGTH}
        shown |= {"n_articles": recommender.release.manifest.n_articles, "release": recommender.release.name}
        if found is not None:
            shown |= _kinds(recommender, found, datetime.now(UTC) - years * YEAR)
    return page(request, "health", shown)


def _kinds(recommender: Recommender, found: ArchiveHealth, before: datetime) -> dict[str, Any]:
    def cards(rows: NDArray[Any]) -> list[Any]:
        return [recommender.catalogue.card(row) for row in rows[:MOST_SHOWN].tolist()]

    kinds = {"orphans": found.orphans, "stale": found.stale(before), "empty": found.empty}
    hubs, (doubled, copies) = found.hubs[:MOST_SHOWN], found.doubled
    return {
        "kinds": {name: {"n": len(rows), "cards": cards(rows)} for name, rows in kinds.items()},
        "hubs": list(zip(cards(hubs), found.n_lists[hubs].tolist(), strict=True)),
        "doubled": list(zip(cards(doubled), copies[:MOST_SHOWN].tolist(), strict=True)),
        "n_doubled": int(copies.sum()),
        "broken": list(zip(cards(found.broken[:, 0]), found.broken[:MOST_SHOWN, 1:].tolist(), strict=True)),
        "n_broken": len(found.broken),
    }
