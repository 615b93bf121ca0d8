"""The desk: pages for editors who want the last word. Who may come in is decided by `service.middleware.access`.

`article` shows a list as readers see it, and why; `edit` pins, blocks and undoes; `judge` keeps what editors think of lines;
`drafts` reads a text that is not published; `health` looks at the archive as a whole.
"""

from fastapi import APIRouter, Depends

from service.desk import article, drafts, edit, health, judge
from service.http.parameters import known_parameters

router = APIRouter(include_in_schema=False, dependencies=[Depends(known_parameters)])
for _room in (article, edit, judge, drafts, health):
    router.include_router(_room.router)
