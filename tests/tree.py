"""The files of template/, each with the capabilities it belongs to and the path it is rendered to."""

import re
from dataclasses import dataclass
from functools import cache

from template import ROOT, git

TREE = ROOT / "template"
NOT_RENDERED = {"facts.yml", "questions.yml"}
SPECIAL = {"{{ _copier_conf.answers_file }}": ".copier-answers.yml"}


@dataclass(frozen=True)
class Source:
    """One file of the template."""

    source: str
    path: str
    capabilities: frozenset[str]

    def belongs_to(self, enabled: set[str]) -> bool:
        return self.capabilities <= enabled


@cache
def sources() -> list[Source]:
    names = git(ROOT, "-c", "core.quotepath=off", "ls-files", "-co", "--exclude-standard", "template").splitlines()
    found = [_source(name.removeprefix("template/")) for name in names if (ROOT / name).is_file()]
    return [source for source in found if source.path.rsplit("/", 1)[-1] not in NOT_RENDERED]


def _source(name: str) -> Source:
    """Reads the folders `{{ at.NAME }}`; whatever else a path computes has to be listed in SPECIAL."""
    capabilities = re.findall(r"\{\{ at\.(\w+) \}\}/", name)
    path = re.sub(r"\{\{ at\.\w+ \}\}/", "", name).removesuffix(".jinja")
    for expression, value in SPECIAL.items():
        path = path.replace(expression, value)
    assert "{{" not in path, f"tests/tree.py cannot read {name}: add what it renders to to SPECIAL"
    return Source(name, path, frozenset(capabilities))
