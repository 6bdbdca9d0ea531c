"""`make update` refuses what it could spoil, and says what a person has to look at. A stand-in plays Copier."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.chassis import update

Capture = pytest.CaptureFixture[str]
Play = Callable[[str], None]

CONFLICT = "<<<<<<< before updating\nyours\n=======\ntheirs\n>>>>>>> after updating\n"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed service of three files, as the current folder."""
    monkeypatch.chdir(tmp_path)
    Path(".copier-answers.yml").write_text("_commit: v1.0.0\n_src_path: https://example.com/template.git\n")
    Path("Makefile").write_text("old\n")
    Path("obsolete.py").write_text("gone = True\n")
    for command in ("init --quiet", "config user.name T", "config user.email t@example.com"):
        subprocess.run(["git", *command.split()], check=True)
    commit()
    return tmp_path


@pytest.fixture
def copier(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """`copier(script)`: from now on this Python code runs in place of Copier."""
    path = tmp_path_factory.mktemp("copier") / "copier.py"
    monkeypatch.setenv("COPIER", shlex.join([sys.executable, str(path)]))

    def play(script: str) -> None:
        path.write_text(f"import sys\nfrom pathlib import Path\n{script}\n")

    return play


def commit() -> None:
    subprocess.run(["git", "add", "--all"], check=True)
    subprocess.run(["git", "commit", "--quiet", "--message", "work"], check=True)


def test_what_changed_is_listed_with_both_versions(service: Path, copier: Play, capfd: Capture) -> None:
    copier(
        "Path('.copier-answers.yml').write_text('_commit: v1.1.0\\n')\n"
        "Path('new folder').mkdir()\n"
        "Path('new folder/é.py').write_text('')\n"
        "Path('Makefile').write_text('new\\n')\n"
        "Path('obsolete.py').unlink()"
    )

    assert update.main([]) == 0

    said = capfd.readouterr().out
    assert "Template v1.0.0 -> v1.1.0" in said
    assert "added    new folder/é.py" in said
    assert "changed  Makefile" in said
    assert "removed  obsolete.py" in said


def test_nothing_new_is_said_so(service: Path, copier: Play, capfd: Capture) -> None:
    copier("")
    assert update.main([]) == 0
    assert "Template v1.0.0: nothing changed." in capfd.readouterr().out


def test_arguments_reach_copier(service: Path, copier: Play) -> None:
    copier("Path('arguments').write_text(' '.join(sys.argv[1:]))")
    update.main(["-d", "database=postgresql"])
    asked = "--skip-answered" if sys.stdin.isatty() else "--defaults"
    assert Path("arguments").read_text() == f"update {asked} -d database=postgresql"


def test_what_imports_a_module_that_is_gone_is_named(service: Path, copier: Play, capfd: Capture) -> None:
    chassis, feature = Path("app/chassis/events"), Path("app/features/orders")
    for folder in (chassis, feature):
        folder.mkdir(parents=True)
    for name in ("__init__.py", "outbox.py", "moved.py", "stays.py"):
        (chassis / name).touch()
    (feature / "service.py").write_text(
        "from app.chassis.events import (\n    moved,\n    stays,\n)\n\nfrom app.chassis.events.outbox import publish\n"
    )
    (feature / "other.py").write_text("import app.chassis.events.stays\n")
    (feature / "unreadable.py").write_text("import app.chassis.events.outbox\nno Python\n")
    commit()
    copier(
        "folder = Path('app/chassis/events')\n"
        "[(folder / name).unlink() for name in ('outbox.py', 'moved.py')]\n"
        "(folder / 'moved').mkdir()\n"
        "(folder / 'moved/__init__.py').touch()"
    )

    assert update.main([]) == 1

    said = capfd.readouterr().out
    (named,) = [line.strip() for line in said.splitlines() if "which is gone" in line]
    assert named.startswith("app/features/orders/service.py:6: imports app.chassis.events.outbox, which is gone: take")


@pytest.mark.parametrize("spoil", ["Makefile", "untracked.txt"])
def test_uncommitted_work_is_not_touched(service: Path, copier: Play, capfd: Capture, spoil: str) -> None:
    copier("Path('ran').touch()")
    Path(spoil).write_text("my work\n")

    assert update.main([]) == 1

    said = capfd.readouterr().out
    assert "commit or stash" in said
    assert spoil in said
    assert not Path("ran").exists()


def test_a_folder_without_a_commit_is_refused_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    Path(".copier-answers.yml").write_text("_commit: v1.0.0\n")
    assert update.main([]) == 1
    assert "git init" in capfd.readouterr().out


def test_a_folder_that_is_no_service_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert update.main([]) == 1
    assert ".copier-answers.yml is missing" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"Path('Makefile').write_text({CONFLICT!r})", "Makefile: conflict markers"),
        (f"Path('added.py').write_text({CONFLICT!r})", "added.py: conflict markers"),
        (f"Path('Makefile').write_bytes({CONFLICT!r}.replace('\\n', '\\r\\n').encode())", "Makefile: conflict markers"),
        ("Path('Makefile.rej').write_text('hunk')", "Makefile.rej: changes that did not fit Makefile"),
    ],
)
def test_what_is_left_to_resolve_fails_loudly(
    service: Path, copier: Play, capfd: Capture, script: str, said: str
) -> None:
    copier(script)
    assert update.main([]) == 1
    assert said in capfd.readouterr().out


def test_an_unmerged_path_fails_loudly(service: Path, copier: Play, capfd: Capture) -> None:
    copier(
        "import subprocess\n"
        "def git(*args, **options):\n"
        "    return subprocess.run(['git', *args], text=True, capture_output=True, **options).stdout\n"
        "blobs = [git('hash-object', '-w', '--stdin', input=text).strip() for text in ('base', 'ours', 'theirs')]\n"
        "lines = [f'100644 {blob} {stage}\\tMakefile\\n' for stage, blob in enumerate(blobs, 1)]\n"
        "git('update-index', '--index-info', input='0 ' + '0' * 40 + '\\tMakefile\\n' + ''.join(lines))"
    )
    assert update.main([]) == 1
    assert "Makefile: unmerged" in capfd.readouterr().out


def test_a_heading_of_equals_signs_is_no_conflict(service: Path, copier: Play) -> None:
    copier("Path('README.rst').write_text('Orders\\n=======\\n')")
    assert update.main([]) == 0


def test_the_exit_status_of_copier_is_kept(service: Path, copier: Play, capfd: Capture) -> None:
    copier("sys.exit(4)")
    assert update.main([]) == 4
    assert "status 4" in capfd.readouterr().out


def test_a_lock_follows_pyproject(
    service: Path,
    copier: Play,
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    uv = tmp_path_factory.mktemp("uv") / "uv"
    uv.write_text(f"#!{sys.executable}\nimport sys\nopen('uv.lock', 'a').write(' '.join(sys.argv[1:]))\n")
    uv.chmod(0o755)
    monkeypatch.setenv("UV", str(uv))
    Path("uv.lock").write_text("")
    commit()
    copier("Path('pyproject.toml').write_text('')")

    assert update.main([]) == 0

    assert Path("uv.lock").read_text() == "lock"
    assert "changed  uv.lock" in capfd.readouterr().out
