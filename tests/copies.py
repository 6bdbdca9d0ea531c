"""The tests make some thousand copies, and Copier does much of each anew: here a process does it once.

What comes out is the same. tests/test_demo.py, tests/test_questions.py and `make update` run Copier as it is, in processes
of its own.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from copier import _main, _template
from jinja2 import Environment
from jinja2_ansible_filters import core_filters
from template import git

if TYPE_CHECKING:
    from types import CodeType


@contextmanager
def sparing() -> Iterator[None]:
    """A copy takes a third of its time."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory(prefix="clones") as clones:
        patch.setattr(Environment, "compile", _compile_once(Environment.compile))
        patch.setattr(_template, "clone", _clone_once(_template.clone, Path(clones)))
        patch.setattr(core_filters, "from_yaml", _read_once(core_filters.from_yaml))
        # Two processes for each file, for nothing where `core.fileMode` is as git sets it on Linux.
        patch.setattr(_main.Worker, "_sync_git_index_executable_bit", lambda _self, _path, _mode: None)
        yield


def _compile_once(compiles: Callable[..., Any]) -> Callable[..., Any]:
    """Every part of every path is a template of its own."""
    known: dict[tuple[Any, ...], CodeType] = {}

    def compile_once(self: Environment, source: Any, name: str | None = None, filename: str | None = None, **options: bool) -> Any:
        if not isinstance(source, str) or options.get("raw"):
            return compiles(self, source, name, filename, **options)
        key = (source, name, *options.items(), self.lexer, *sorted(self.extensions), self.optimized, self.autoescape)
        # Where the text lies is in tracebacks alone, and every copy has a clone of its own.
        if key not in known:
            known[key] = compiles(self, source, name, filename, **options)
        return known[key]

    return compile_once


def _clone_once(clones: Callable[..., str], folder: Path) -> Callable[..., str]:
    """An update has the template three times; each has names of its own for the same files, to remove again."""
    known: dict[tuple[str, ...], Path] = {}

    def clone_once(url: str, ref: str, location: str) -> str:
        # With the commit come its tags: they are the version.
        key = (url, ref, git(Path(url), "rev-parse", f"{ref}^{{commit}}"), git(Path(url), "show-ref"))
        if key not in known:
            known[key] = Path(clones(url, ref, location=str(folder / str(len(known)))))
        copytree(known[key], location, copy_function=os.link, symlinks=True, dirs_exist_ok=True)
        return location

    return clone_once


def _read_once(reads: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The plan is made for each question that reads it."""
    known = cache(reads)
    return lambda text: deepcopy(known(str(text)))
