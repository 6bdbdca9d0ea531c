"""A clock on the wall that jumps, and modules that would know of it."""

import runpy
import time
from types import ModuleType, SimpleNamespace

import pytest


class Wall:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = 0.0
        read = time.time
        monkeypatch.setattr(time, "time", lambda: read() + self.off)

    def hung(self, module: ModuleType) -> SimpleNamespace:
        """The module, loaded anew beneath this clock: whatever it takes `time.time` for, it takes this one for."""
        return SimpleNamespace(**runpy.run_path(str(module.__file__)))
