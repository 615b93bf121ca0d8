"""Run the service of `tests.support.served`, and kill it between the journal and its own copy.

It dies when the journal has an upsert that its own copy lacks: `python -m tests.support.dies`.
"""

import os
import signal
import sys
from typing import Any
from unittest import mock

from tests.support import served


def die(*given: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    mock.patch("index.updates.article_updates.follow_at_once", die).start()
    served.main(sys.argv[1:])
