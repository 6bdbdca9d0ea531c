"""What `make chaos` measures with: the checker, the figures, the generator and the network that breaks."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from math import inf, nan
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from chaos import arrivals, effects, forks, history, overload, plot
from chaos.arrivals import steps
from chaos.effects import Attempt, Effect, check, follow
from chaos.figures import Figure
from chaos.generator import Generator, Plan, Stream
from chaos.history import Asked
from chaos.proxy import Fault, Proxy


def placed(name: str, status: int | None = 201, identity: str | None = "1") -> Attempt:
    return Attempt(name, "key", sent=0.0, status=status, id=identity if status and status < 300 else None)


# -- the checker of effects --


def test_each_acknowledged_order_exactly_once_is_clean() -> None:
    assert check([placed("a", None), placed("a"), placed("b", 503), placed("b", 201, "2")], [Effect("1", "a"), Effect("2", "b")]).clean


def test_an_acknowledged_order_that_is_not_there_is_lost() -> None:
    assert check([placed("a")], []).lost == ("a is 1",)


def test_an_order_that_is_there_under_another_id_is_lost_to_its_client() -> None:
    assert check([placed("a", 201, "1")], [Effect("2", "a")]).lost == ("a is 1",)


def test_an_order_that_nobody_sent_is_a_phantom() -> None:
    assert check([placed("a")], [Effect("1", "a"), Effect("2", "b")]).phantom == ("2 for b",)


def test_half_an_order_is_a_phantom() -> None:
    assert check([placed("a", None)], [Effect("1", None)]).phantom == ("1 for None",)


def test_an_order_that_was_refused_and_is_there_is_a_phantom() -> None:
    assert check([placed("a", 422)], [Effect("1", "a")]).phantom == ("1 for a",)


def test_a_conflict_is_no_refusal() -> None:
    assert check([placed("a", 409), placed("a")], [Effect("1", "a")]).clean


def test_an_order_that_was_never_answered_may_be_there_once_or_not_at_all() -> None:
    assert check([placed("a", None)], []).clean
    assert check([placed("a", None)], [Effect("1", "a")]).clean


def test_an_order_that_is_there_twice_is_duplicated() -> None:
    assert check([placed("a", None), placed("a")], [Effect("1", "a"), Effect("2", "a")]).duplicated == ("a 2 times",)


def test_two_answers_with_two_ids_are_a_duplicate() -> None:
    verdict = check([placed("a", 201, "1"), placed("a", 201, "2")], [Effect("1", "a")])
    assert verdict.duplicated == ("a has 2 ids",)
    assert verdict.lost == ("a is 2",)


def test_orders_without_a_definite_answer_are_named() -> None:
    assert effects.unanswered([placed("a", 503), placed("b", None), placed("b"), placed("c", 422)]) == {"a"}


# -- the checker of what follows writes --


def test_one_effect_of_each_write_is_clean() -> None:
    assert follow(["a", "b"], ["b", "a"], ["a"]).clean


def test_a_write_without_an_effect_is_lost() -> None:
    assert follow(["a", "b"], ["b"], []).lost == ("a has no effect",)


def test_an_acknowledged_write_that_is_not_there_is_lost() -> None:
    assert follow([], [], ["a"]).lost == ("a was acknowledged",)


def test_a_write_that_nobody_acknowledged_has_its_effect_if_it_is_there_and_none_if_not() -> None:
    assert follow(["a"], ["a"], []).clean
    assert follow([], ["a"], []).phantom == ("a",)


def test_two_effects_of_one_write_are_duplicated() -> None:
    verdict = follow(["a", "b"], ["a", "b", "a"], ["a", "b"])
    assert (verdict.lost, verdict.phantom, verdict.duplicated) == ((), (), ("a 2 times",))


def test_whoever_has_imported_a_module_has_its_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "guarded_module.py").write_text("def seen() -> bool:\n    return True\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("guarded_module")
    forks.edit("guarded_module", [("return True", "return False")])
    assert module.seen() is False
    with pytest.raises(RuntimeError, match="has not one 'return 1'"):
        forks.edit("guarded_module", [("return 1", "return 2")])


# -- attempts in a file --


def test_attempts_are_read_as_they_were_written(tmp_path: Path) -> None:
    attempts = [placed("a", None), placed("a")]
    effects.write(tmp_path / "attempts.jsonl", attempts)
    assert effects.read(tmp_path / "attempts.jsonl") == attempts


# -- what is measured --


def asked(due: float, seconds: float | None = 0.1, status: int | None = 200, stream: str = "all") -> Asked:
    answered = None if seconds is None else due + seconds
    return Asked(0, stream, due, due, answered, status if seconds is not None else None, None if seconds is not None else history.TIMEOUT)


def test_percentiles_are_values_that_occurred() -> None:
    assert history.percentile(range(1, 101), 0.99) == 99
    assert history.percentile([7.0], 0.99) == 7
    assert str(history.percentile([], 0.99)) == "nan"


def test_what_was_refused_or_not_answered_has_no_part_in_the_p99() -> None:
    assert history.p99([asked(0, 0.1), asked(0, 5.0, status=503), asked(0, None)]) == pytest.approx(0.1)


def test_goodput_is_what_came_in_that_time() -> None:
    assert history.goodput([asked(0.0, 0.5), asked(0.0, 1.5), asked(0.0, 0.5, status=503), asked(0.0, None)], 0.0, 1.0) == 1.0


def test_a_service_that_fails_once_more_has_not_recovered_before_that() -> None:
    fine = [asked(10 + tick / 100) for tick in range(500)]
    assert history.recovery(fine, 10.0) == pytest.approx(0.0, abs=0.11)
    failing = [asked(one.due, 0.1, status=503 if one.due < 12 else 200) for one in fine]
    assert 1.8 <= history.recovery(failing, 10.0) <= 2.2
    assert history.recovery([asked(one.due, None) for one in fine], 10.0) == inf
    assert history.recovery([], 10.0) == inf


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = [asked(0.5), asked(0.7, None)]
    history.write(tmp_path / "history.jsonl", written)
    assert history.read(tmp_path / "history.jsonl") == written


def test_a_figure_that_is_reached_without_the_mechanism_proves_nothing() -> None:
    reached = Figure("goodput", 97, 20, "%", at_least=95)
    assert (reached.met, reached.proven) == (True, True)
    assert not Figure("goodput", 97, 96, "%", at_least=95).proven
    assert not Figure("goodput", 90, 20, "%", at_least=95).met
    assert not Figure("lost", 1, at_most=0).met
    assert not Figure("p99", nan, at_most=1).met


# -- the load --


def test_arrivals_are_fixed_by_their_seed_and_as_many_as_the_rate_says() -> None:
    phases = steps((10, 100), (10, 0), (10, 300))
    times, again = (list(arrivals.poisson(phases, Random(1))) for _ in range(2))  # noqa: S311 - the same load every time
    assert times == sorted(times) == again
    assert sum(at < 10 for at in times) == pytest.approx(1000, rel=0.15)
    assert not any(10 <= at < 20 for at in times)
    assert sum(20 <= at < 30 for at in times) == pytest.approx(3000, rel=0.15)
    assert list(arrivals.uniform(steps((1, 4)), Random(1)))  # noqa: S311 == [0, 0.25, 0.5, 0.75]


@dataclass
class Slow:
    """Answers every request after `seconds`; counts connections."""

    seconds: float
    connections: int = 0
    talking: int = 0
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Slow"]:
        server = await asyncio.start_server(self.converse, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        while self.talking:
            await asyncio.sleep(0.01)
        server.close()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.talking += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(self.seconds)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self.talking -= 1
            writer.close()


def test_a_slow_service_does_not_slow_its_load_down() -> None:
    async def load(slow: Slow) -> list[Asked]:
        async with slow.running():
            plan = Plan(slow.port, time.monotonic() + 0.1, [Stream("all", "/", steps((1, 100)), arrivals="uniform")], patience=2)
            return await Generator(plan).run()

    found = asyncio.run(load(Slow(0.5)))
    assert len(found) == 100
    assert all(one.ok for one in found)
    assert history.lateness(found, 0.5) < 0.1
    assert max(one.sent or inf for one in found) < 1.5
    assert history.percentile((one.seconds for one in found), 0.5) == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(("hang_up", "connections"), [(0.0, 4), (1.0, 8)])
def test_who_stops_waiting_hangs_up_or_leaves_the_connection_and_uses_it_again(hang_up: float, connections: int) -> None:
    async def twice(slow: Slow) -> list[Asked]:
        async with slow.running():
            streams = [Stream("all", "/", steps((0.2, 20), (0.6, 0), (0.2, 20)), arrivals="uniform")]
            plan = Plan(slow.port, time.monotonic() + 0.1, streams, patience=0.1, hang_up=hang_up)
            return await Generator(plan).run()

    slow = Slow(0.3)
    found = asyncio.run(twice(slow))
    assert [one.error for one in found] == [history.TIMEOUT] * 8
    assert slow.connections == connections


def test_a_service_that_is_not_there_breaks_every_request() -> None:
    plan = Plan(1, time.monotonic(), [Stream("all", "/", steps((0.1, 50)))], patience=0.5)
    assert {one.error for one in asyncio.run(Generator(plan).run())} == {history.BROKEN}


def test_the_plot_is_well_formed_and_has_a_panel_for_every_run() -> None:
    shape = overload.Shape(1, 1, 1, 1)
    one = overload.Run("fastapi", "wait", (), 100.0, shape, [asked(tick / 50, stream="critical") for tick in range(200)])
    drawn = ElementTree.tostring(ElementTree.fromstring(plot.draw([(one, one)])), encoding="unicode")  # noqa: S314 - our own
    assert "without load shedding" in drawn
    assert "with load shedding" in drawn
    assert "nan" not in drawn


# -- the network --


async def heard(
    fault: Fault | None, break_it: Callable[[Proxy], None] = lambda _: None, *, patience: float = 1.0
) -> tuple[bytes, bytes | str]:
    """What the server heard of a request of 10 bytes, and what the client of a reply of 10, or why it heard nothing."""
    received = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while len(received) < 10 and (data := await reader.read(100)):
                received.extend(data)
            if len(received) == 10:
                writer.write(b"0123456789")
                await writer.drain()
                await reader.read()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[1], lambda: fault) as proxy:
        break_it(proxy)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"abcdefghij")
        answer: bytes | str
        try:
            async with asyncio.timeout(patience):
                answer = await reader.readexactly(10)
        except asyncio.IncompleteReadError as error:
            answer = error.partial
        except (OSError, TimeoutError) as error:
            answer = type(error).__name__
        writer.transport.abort()
        await asyncio.sleep(0.05)
    return bytes(received), answer


@pytest.mark.parametrize(
    ("fault", "request_heard", "answer"),
    [
        (None, b"abcdefghij", b"0123456789"),
        (Fault("server", 0), b"", "ConnectionResetError"),
        (Fault("server", 4), b"abcd", "ConnectionResetError"),
        (Fault("server", None), b"abcdefghij", "ConnectionResetError"),
        (Fault("client", 0), b"abcdefghij", "ConnectionResetError"),
    ],
)
def test_a_connection_is_reset_at_that_very_byte(fault: Fault | None, request_heard: bytes, answer: bytes | str) -> None:
    assert asyncio.run(heard(fault)) == (request_heard, answer)


def test_a_black_hole_lets_nothing_through() -> None:
    assert asyncio.run(heard(None, Proxy.blackhole, patience=0.2)) == (b"", "TimeoutError")


def test_a_narrow_network_takes_its_time() -> None:
    def narrow(proxy: Proxy) -> None:
        proxy.bandwidth, proxy.delay = 100.0, 0.1

    started = time.monotonic()
    assert asyncio.run(heard(None, narrow, patience=5)) == (b"abcdefghij", b"0123456789")
    assert time.monotonic() - started >= 0.4


def test_a_network_that_is_cut_refuses_until_it_is_mended() -> None:
    async def cut_and_mend() -> tuple[type[BaseException] | None, int]:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
            port = proxy.port
            await proxy.cut()
            refused = None
            try:
                await asyncio.open_connection("127.0.0.1", port)
            except OSError as error:
                refused = type(error)
            await proxy.mend()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return refused, proxy.port - port

    assert asyncio.run(cut_and_mend()) == (ConnectionRefusedError, 0)
