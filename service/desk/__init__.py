"""Serve the desk: pages on which editors control lists. `service.middleware.access` decides who may enter.

`article` shows a list as readers see it, with reasons. `edit` pins, blocks and undoes. `judge` stores editors'
judgements of lines. `drafts` reads unpublished texts. `health` reports on the archive as a whole.
"""

from fastapi import APIRouter, Depends

from service.desk import article, drafts, edit, health, judge
from service.http.parameters import known_parameters

router = APIRouter(include_in_schema=False, dependencies=[Depends(known_parameters)])
for _room in (article, edit, judge, drafts, health):
    router.include_router(_room.router)
