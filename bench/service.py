"""A rendered service and what it is compared with: throughput, CPU, start and memory."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from figures import Figure
from load import CONNECTIONS, HERE, Server, serving
from processes import UV, copier, run

ROOT = HERE.parent
FRAMEWORKS = ("fastapi", "django")
PRODUCTION_RATIO = "0.05"
# What stands in the way of every request; `outbound` is for those that a service makes.
INBOUND = ("load_shedding", "deadlines", "rate_limiting", "idempotency")
INBOUND_NAME = "with inbound resilience"
# As many clients as a service has threads by default: nobody stands in line, which is what is meant by unloaded.
UNLOADED, UNLOADED_NAME, UNLOADED_INBOUND_NAME = 8, "unloaded", "unloaded, with inbound resilience"
TOKENS_NAME, TOKENLESS_NAME = "with auth=jwt", "without auth"
WARM_SECONDS, WARM_LIMIT, START_ROUNDS = 1, 10, 9
SECRET = secrets.token_urlsafe(48)
# The bench's feature, put where a user would put one: the same answer as in bare_fastapi.py and bare_django.py.
FEATURES = {
    "fastapi": (
        "from fastapi import APIRouter\n\nfrom app.chassis.routes import declare\n\nrouter = APIRouter()\n\n\n"
        "@router.get('/bench')\n@declare(scope='bench:read')\n"
        "async def answer() -> dict[str, str | int]:\n    return {'message': 'hello', 'number': 42}\n",
        {
            "main.py": [
                ("from fastapi import", "from app.features.bench.api import router as bench\nfrom fastapi import"),
                ("create(", "create(bench, "),
            ]
        },
    ),
    "django": (
        "from django.http import JsonResponse\n\nfrom app.chassis.routes import declare\n\n\n@declare(scope='bench:read')\n"
        "def answer(_request):\n    return JsonResponse({'message': 'hello', 'number': 42})\n",
        {
            "urls.py": [
                ("from django.urls", "from app.features.bench.api import answer\nfrom django.urls"),
                ("urlpatterns = [", 'urlpatterns = [\n    path("bench", answer),'),
            ]
        },
    ),
}


class Service:
    """The rendered service and what it is compared with, each with the packages of the service's own lock."""

    def __init__(self, framework: str, folder: Path, collector: str) -> None:
        self.framework, self.collector = framework, collector
        self.folder = folder / framework
        self.resilient = self.folder / "resilient"
        self.service = self.folder / "service"
        self.guarded = self.folder / "guarded"
        self.python = str(self.folder / "venv" / "bin" / "python")
        self.usual_python = str(self.folder / "usual" / "bin" / "python")
        self.log = self.folder / "log"
        self.prepare()

    def prepare(self) -> None:
        rows = ((self.service, "[]", "none"), (self.resilient, f"[{', '.join(INBOUND)}]", "none"), (self.guarded, "[]", "jwt"))
        for service, resilience, auth in rows:
            given = ["-d", f"framework={self.framework}", "-d", f"resilience={resilience}", "-d", f"auth={auth}"]
            copier("copy", "--quiet", "--defaults", "--vcs-ref=HEAD", *given, str(ROOT), str(service))
            add_feature(service / "app", self.framework)
        for venv, service in (("more", self.resilient), ("tokens", self.guarded)):
            environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(self.folder / venv)}
            run(UV, "sync", "--quiet", "--no-dev", "--compile-bytecode", cwd=service, env=environment)
            run(str(self.folder / venv / "bin" / "python"), "-m", "compileall", "-q", "app", cwd=service)
        self.make_key()
        for venv in ("venv", "usual"):
            environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(self.folder / venv)}
            run(UV, "sync", "--quiet", "--no-dev", "--compile-bytecode", cwd=self.service, env=environment)
        run(UV, "pip", "install", "--quiet", "--compile-bytecode", "-p", self.usual_python, "-r", str(HERE / f"usual-{self.framework}.txt"))
        run(self.python, "-m", "compileall", "-q", "app", cwd=self.service)
        run(self.python, *migrate(self.framework), cwd=self.service, env=os.environ | self.production(PRODUCTION_RATIO) | {"PORT": "8000"})

    def production(self, ratio: str) -> dict[str, str]:
        """Everything on: production's settings, JSON lines, metrics, spans to the live receiver."""
        return {
            "ENVIRONMENT": "production",
            "SECRET_KEY": SECRET,
            "ALLOWED_HOSTS": "127.0.0.1,bench.example.com",
            "DATABASE_URL": f"sqlite:///{self.folder / 'bench.db'}",
            "PORT": "{port}",
            "HOST": "127.0.0.1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector,
            "OTEL_TRACES_SAMPLER_ARG": ratio,
        }

    @contextmanager
    def rendered(self, ratio: str = PRODUCTION_RATIO, *, pinned: bool = True) -> Iterator[Server]:
        with serving([self.python, "-m", "app"], env=self.production(ratio), cwd=self.service, log=self.log, pinned=pinned) as server:
            yield server

    @contextmanager
    def with_inbound(self) -> Iterator[Server]:
        """The same service with every inbound part of `resilience`, none of which has anything to refuse."""
        python = str(self.folder / "more" / "bin" / "python")
        # It is asked as fast as it answers, which is a load that shedding would say no to now and then.
        nothing_to_refuse = {"RATE_LIMITS": "default=100000000/60", "LOAD_SHEDDING_TARGET": "1"}
        env = self.production(PRODUCTION_RATIO) | nothing_to_refuse
        with serving([python, "-m", "app"], env=env, cwd=self.resilient, log=self.log) as server:
            yield server

    def make_key(self) -> None:
        env = self.token_environment() | {"PORT": "8000"}
        for command in (["-m", "app.chassis.tokens.manage", str(self.folder / "keys")], migrate(self.framework)):
            run(str(self.folder / "tokens" / "bin" / "python"), *command, cwd=self.guarded, env=os.environ | env)

    def token_environment(self) -> dict[str, str]:
        own = {"JWT_KEYS": str(self.folder / "keys"), "DATABASE_URL": f"sqlite:///{self.folder / 'tokens.db'}", "ACCESS_TTL": "3600"}
        return self.production(PRODUCTION_RATIO) | own

    @contextmanager
    def with_tokens(self) -> Iterator[Server]:
        """The same service with auth=jwt, asked by somebody who has a token."""
        python, env = str(self.folder / "tokens" / "bin" / "python"), self.token_environment()
        grant = "from app.chassis.tokens import grant; print(grant('ada', frozenset({'bench:read'}))['Authorization'])"
        said = run(python, "-c", grant, cwd=self.guarded, env=os.environ | env | {"PORT": "8000"}).splitlines()[-1]
        with serving([python, "-m", "app"], env=env, cwd=self.guarded, log=self.log) as server:
            server.header = f"Authorization: {said}"
            yield server

    @contextmanager
    def compared(self, kind: str, *, pinned: bool = True) -> Iterator[Server]:
        """`kind` is bare or usual; on the same server with the same settings."""
        python = self.python if kind == "bare" else self.usual_python
        interface = ["--interface", "asgi"] if self.framework == "fastapi" else ["--interface", "wsgi", "--blocking-threads", "8"]
        command = [python, "-m", "granian", *interface, "--http", "1", "--port", "{port}", f"{kind}_{self.framework}:app"]
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector, "OTEL_TRACES_SAMPLER_ARG": "0.1", "BENCH_MIDDLEWARE": self.middleware()}
        with serving(command, env=env, cwd=HERE, log=self.log, pinned=pinned) as server:
            yield server

    def middleware(self) -> str:
        """Django's middlewares in the rendered service, less the chassis' own."""
        if self.framework == "fastapi":
            return ""
        code = "from app.settings import MIDDLEWARE; print(*(name for name in MIDDLEWARE if not name.startswith('app.')), sep=',')"
        return run(
            self.python, "-c", code, cwd=self.service, env=os.environ | self.production(PRODUCTION_RATIO) | {"PORT": "8000"}
        ).splitlines()[-1]

    # -- throughput --

    def throughput(self, *, rounds: int, seconds: float) -> list[Figure]:
        """In turn, each in a fresh process, so that what disturbs the machine disturbs all alike."""
        servers: dict[str, Callable] = {
            "bare": lambda: self.compared("bare"),
            **{ratio: lambda ratio=ratio: self.rendered(ratio) for ratio in (PRODUCTION_RATIO, "1.0", "0.1", "0.01")},
            "usual": lambda: self.compared("usual"),
            INBOUND_NAME: self.with_inbound,
            UNLOADED_NAME: self.rendered,
            UNLOADED_INBOUND_NAME: self.with_inbound,
            TOKENLESS_NAME: self.rendered,
            TOKENS_NAME: self.with_tokens,
        }
        answered = {name: [] for name in servers}
        for _ in range(rounds):
            for name, start in servers.items():
                answered[name].append(self.load(name, start, seconds))
        return self.ratios(answered)

    def load(self, name: str, start: Callable, seconds: float):
        self.log.unlink(missing_ok=True)
        spans = spans_received(self.collector)
        with start() as server:
            server.until_200("/readyz" if server.header else "/bench")
            self.warm(server, until=spans + 1 if name != "bare" else 0)
            connections = UNLOADED if name.startswith(UNLOADED_NAME) else CONNECTIONS
            answered = server.answer("/bench", seconds=seconds, connections=connections)
        if is_ratio(name):
            self.prove(answered.requests, float(name), spans_received(self.collector) - spans)
        return answered

    def warm(self, server: Server, *, until: int) -> None:
        """Load until the collector has `until` spans: importing the exporter is part of the start, not of a request."""
        give_up = time.monotonic() + WARM_LIMIT
        server.answer("/bench", seconds=WARM_SECONDS)
        while spans_received(self.collector) < until and time.monotonic() < give_up:
            server.answer("/bench", seconds=1)

    def prove(self, requests: int, ratio: float, spans: int) -> None:
        """It was all on: a line for each request, and spans."""
        lines = self.log.read_bytes().count(b'"http.request"')
        if lines < requests:
            raise SystemExit(f"{requests} requests, {lines} log lines: see {self.log}")
        # At ratio 1.0 the SDK's queue drops what it cannot send in time.
        if spans < requests * min(ratio, 0.05) * 0.5:
            raise SystemExit(f"{requests} requests at ratio {ratio}, {spans} spans arrived")

    def ratios(self, answered: dict[str, list]) -> list[Figure]:
        def ratio(name: str, to: str, of: str = "per_second") -> list[float]:
            pairs = zip(answered[name], answered[to], strict=True)
            return [getattr(one, of) / getattr(other, of) for one, other in pairs]

        least, over_usual = {"fastapi": (0.80, 2.2), "django": (0.78, 3.5)}[self.framework]
        label = f"{self.framework}, throughput kept, everything on"
        figures = [Figure(f"{label}, spans at {PRODUCTION_RATIO}", ratio(PRODUCTION_RATIO, "bare"), at_least=least)]
        figures += [Figure(f"{label}, spans at {name}", ratio(name, "bare")) for name in ("1.0", "0.1", "0.01")]
        figures += [
            Figure(f"{self.framework}, throughput against the usual set-up, spans at 0.1", ratio("0.1", "usual"), at_least=over_usual)
        ]
        label = f"{self.framework}, kept with all inbound resilience"
        figures += [
            Figure(f"{label}, unloaded", ratio(UNLOADED_INBOUND_NAME, UNLOADED_NAME), at_least=0.90),
            Figure(f"{label}, {CONNECTIONS} at a time", ratio(INBOUND_NAME, PRODUCTION_RATIO)),
        ]
        figures += [Figure(f"{self.framework}, kept with auth=jwt", ratio(TOKENS_NAME, TOKENLESS_NAME), at_least=0.85)]
        least_cpu = {name: min(one.cpu_us for one in rounds) for name, rounds in answered.items()}
        bare, rendered = least_cpu["bare"], least_cpu[PRODUCTION_RATIO]
        note = f"least of all rounds: {bare:.0f} / {rendered:.0f} us = {bare / rendered:.2f}"
        figures += [
            Figure(
                f"{self.framework}, CPU of a bare request / of one at {PRODUCTION_RATIO}",
                ratio("bare", PRODUCTION_RATIO, "cpu_us"),
                note=note,
            )
        ]
        for name, rounds in answered.items():
            speed = f"{median(one.per_second for one in rounds):.0f} requests/s, p99 {median(one.p99_ms for one in rounds):.1f} ms"
            kind = f"rendered at {name}" if is_ratio(name) else name
            figures.append(Figure(f"{self.framework}, {kind}: CPU of one request", [one.cpu_us for one in rounds], "us", note=speed))
        return figures

    # -- start and memory --

    def start(self) -> list[Figure]:
        bare, live, ready, bare_memory, memory = [], [], [], [], []
        for _ in range(START_ROUNDS):
            with self.compared("bare", pinned=False) as server:
                bare.append(server.until_200("/bench"))
                bare_memory.append(settled_memory(server))
            with self.rendered(pinned=False) as server:
                live.append(server.until_200("/livez"))
                ready.append(server.until_200("/readyz"))
                memory.append(settled_memory(server))

        def against(values: list[float], base: list[float]) -> list[float]:
            return [one / other for one, other in zip(values, base, strict=True)]

        name = f"{self.framework}, start to 200 on"
        milliseconds = f"{median(live) * 1e3:.0f} ms, bare {median(bare) * 1e3:.0f}"
        size = f"{median(memory):.0f} MiB, bare {median(bare_memory):.0f}"
        return [
            Figure(f"{name} /livez, against bare", against(live, bare), at_most=1.25, note=milliseconds),
            Figure(f"{name} /readyz, against bare", against(ready, bare), at_most=1.8, note=f"{median(ready) * 1e3:.0f} ms"),
            Figure(f"{self.framework}, memory after start, against bare", against(memory, bare_memory), at_most=1.6, note=size),
        ]


def migrate(framework: str) -> list[str]:
    return ["manage.py", "migrate"] if framework == "django" else ["-m", "app.chassis.migrate"]


def is_ratio(name: str) -> bool:
    """Whether it is that of the spans."""
    return name[0].isdigit()


def settled_memory(server: Server) -> float:
    time.sleep(0.3)
    return server.memory()


def add_feature(app: Path, framework: str) -> None:
    source, edits = FEATURES[framework]
    feature = app / "features" / "bench"
    feature.mkdir(parents=True)
    (feature / "__init__.py").touch()
    (feature / "api.py").write_text(source)
    for name, replacements in edits.items():
        text = (app / name).read_text()
        for old, new in replacements:
            # After the imports' own mention, if it is a call that is looked for.
            head, found, tail = text.rpartition(old) if old == "create(" else text.partition(old)
            if not found:
                raise SystemExit(f"app/{name} has no {old!r}: mend FEATURES in {__file__}")
            text = head + new + tail
        (app / name).write_text(text)


def spans_received(collector: str) -> int:
    with urlopen(collector, timeout=5) as reply:
        return int(reply.read())
