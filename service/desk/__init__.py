"""The desk: pages for editors who want the last word. Who may come in is decided by `service.gate`.

`reading` shows a list as readers see it, and why; `changing` pins, blocks and undoes; `judging` keeps what editors think of lines;
`drafts` reads a text that is not published; `health` looks at the archive as a whole.
"""

from fastapi import APIRouter, Depends

from service.desk import changing, drafts, health, judging, reading
from service.requests import known_parameters

router = APIRouter(include_in_schema=False, dependencies=[Depends(known_parameters)])
for _room in (reading, changing, judging, drafts, health):
    router.include_router(_room.router)
