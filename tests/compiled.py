"""Copier compiles every part of every path as a template of its own, for each file of each copy; the tests make some thousand copies.

Here a process compiles each text once: half of a copy's time. What comes out is the same code, so what is rendered is, too.
tests/test_demo.py, tests/test_questions.py and `make update` run Copier as it is, in processes of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import Environment

if TYPE_CHECKING:
    from types import CodeType


@contextmanager
def once() -> Iterator[None]:
    known: dict[tuple[Any, ...], CodeType] = {}
    compiles = Environment.compile

    def compile_once(self: Environment, source: Any, name: str | None = None, filename: str | None = None, **options: bool) -> Any:
        if not isinstance(source, str) or options.get("raw"):
            return compiles(self, source, name, filename, **options)
        key = (source, name, *options.items(), self.lexer, *sorted(self.extensions), self.optimized, self.autoescape)
        # Where the text lies is in tracebacks alone, and every copy has a clone of its own.
        if key not in known:
            known[key] = compiles(self, source, name, filename, **options)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", compile_once)
        yield
