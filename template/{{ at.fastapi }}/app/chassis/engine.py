"""The engine behind `database`: limits that hold, connections that come back, failures in the service's words."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

from app.chassis import dialect, slow_statements
from app.chassis.database import Away, Lost, Settings

IDLE_SECONDS = 30.0
RECYCLE_SECONDS = 1800
log = structlog.get_logger()


class Pool(AsyncAdaptedQueuePool):
    """A pool that knows who waits and who waited in vain."""

    waiting = 0
    queued = 0
    timeouts = 0

    @property
    def limit(self) -> int:
        return self.size()

    def connect(self) -> PoolProxiedConnection:
        # Whoever finds one left opens it at worst: that takes its time, but is no queue.
        queued = self.checkedout() >= self.limit
        self.queued += queued
        self.waiting += 1
        try:
            return super().connect()
        except PoolTimeout as error:
            self.timeouts += 1
            log.warning("database.pool_exhausted", limit=self.limit)
            raise Away("The database is busy.") from error
        except Exception as error:
            if isinstance(error, (Away, TypeError)):
                raise
            # Made, and lost before it was set up: drivers have their own names for it.
            log.warning("database.unreachable", reason=repr(error))
            raise Away("The database is not available.") from error
        finally:
            self.waiting -= 1
            self.queued -= queued


def create(settings: Settings) -> AsyncEngine:
    """An engine that has not connected yet."""
    # Being disposed of at every stop is no news.
    logging.getLogger(f"{__name__}.Pool").setLevel(logging.WARNING)
    engine = create_async_engine(
        dialect.engine_url(settings.database_url),
        poolclass=Pool,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout,
        pool_recycle=RECYCLE_SECONDS,
        # The last connection returned is the next one taken: those that are not needed grow old and go.
        pool_use_lifo=True,
        # Values are the users' data: they belong neither in logs nor in traces.
        hide_parameters=True,
        connect_args=connect_args(settings),
        **dialect.ENGINE_OPTIONS,
    )
    watch(engine.sync_engine)
    if settings.database_slow_query:
        slow_statements.watch(engine.sync_engine, seconds=settings.database_slow_query)
    dialect.listen(engine.sync_engine, statement_timeout=settings.database_statement_timeout)
    return engine


def connect_args(settings: Settings, *, statement_timeout: float | None = None) -> dict[str, Any]:
    """What the driver gets; `statement_timeout` is in seconds and, when 0, there is none."""
    limit = settings.database_statement_timeout if statement_timeout is None else statement_timeout
    return {
        "async_creator_fn": limited(settings.database_connect_timeout),
        **dialect.connect_args(connect_timeout=settings.database_connect_timeout, statement_timeout=limit),
    }


def limited(seconds: float) -> Callable[..., Any]:
    """Open a connection within `seconds`, greeting and login included: drivers limit only part of it."""

    async def connect(*args: Any, **options: Any) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await dialect.connect(*args, **options)
        except TypeError:
            # An option that the driver does not know is a mistake in DATABASE_URL: trying again cures nothing.
            raise
        except Exception as error:
            log.warning("database.unreachable", reason=repr(error))
            raise Away("The database is not available.") from error

    return connect


def watch(engine: Engine) -> None:
    """Replace connections that died while nobody used them; turn what trying again may cure into `Away`."""
    event.listen(engine, "checkin", _note_return)
    event.listen(engine, "checkout", _refuse_dead)
    event.listen(engine, "handle_error", _translate)


def _note_return(_connection: Any, record: Any) -> None:
    record.info["returned"] = time.monotonic()


def _refuse_dead(connection: Any, record: Any, _proxy: Any) -> None:
    # A ping before every use would cost a round trip each; a closed socket is seen without one, and only a
    # connection that was idle for long can have been dropped by a firewall that told nobody.
    if dialect.is_closed(record.driver_connection):
        raise DisconnectionError("closed by the server")
    if time.monotonic() - record.info.get("returned", time.monotonic()) > IDLE_SECONDS:
        try:
            dialect.ping(connection)
        except Exception as error:
            raise DisconnectionError("no answer after a long silence") from error


def _translate(context: ExceptionContext) -> Exception | None:
    error = context.original_exception
    if isinstance(error, (TimeoutError, OSError)):
        # The driver gave up in the middle of a conversation: nobody may use this connection again.
        context.is_disconnect = True
    reason = dialect.conflict(error)
    if reason is not None:
        return Lost(reason)
    if not context.is_disconnect and not dialect.is_unavailable(error):
        return None
    if isinstance(error, Exception) and not isinstance(error, Away):
        log.warning("database.failed", reason=repr(error))
        return Away("The database is not available.")
    return None
