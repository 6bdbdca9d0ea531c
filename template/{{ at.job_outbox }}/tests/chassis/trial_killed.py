"""Kills its worker, where a file says so, when a job is to be marked as done, and nothing of it is committed."""

import os
import signal
from pathlib import Path
from typing import Any

from app.chassis.jobs import store

MARK = Path("killed-at-the-mark")
finish = store.finish


def finishes(*given: Any) -> Any:
    if MARK.exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return finish(*given)


vars(store)["finish"] = finishes
