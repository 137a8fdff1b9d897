"""Celery workers and beat, made from our own parts.

Messages are acknowledged before the work begins, results are not kept, and losing Redis stops
nothing that runs: what is lost with it is rung for again from the table of jobs.
"""

import mmap
import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from logging import getLogger
from typing import Any

import redis
import structlog
from celery import Celery, signals

from app.core import heartbeat, logging
from app.core.bell import JOBS, REAP, RUN_JOB, UPKEEP
from app.core.celery_app import TRANSPORT_FAULTS, new_celery
from app.core.clock import utc_now
from app.core.config import Settings
from app.services import job_reaping
from app.workers import running
from app.workers.context import TIMING, Handler, Timing
from app.workers.process import WorkerProcess
from app.workers.running import Workshop

JOBS_PER_PROCESS = 500
"""After which a process is replaced: what libraries leak stays small."""
SECONDS_TO_FORK = 30.0
SECONDS_WITHOUT_REDIS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How often the reaper looks, and how long a job waits before it is rung for again."""

    every: timedelta = timedelta(seconds=10)
    patience: timedelta = job_reaping.PATIENCE


UPKEEPING = Upkeep()


class _Flag:
    """Set in the parent, seen in all its forks."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._shared[0] = 1

    def is_set(self) -> bool:
        return self._shared[0] == 1


@dataclass
class Serving:
    """The worker of some settings and handlers."""

    settings: Settings
    handlers: Mapping[str, Handler]
    timing: Timing = TIMING
    upkeep: Upkeep = UPKEEPING
    _stopping: _Flag = field(default_factory=_Flag)
    _process: WorkerProcess | None = None
    _parent: int = 0

    def work(self, processes: int) -> None:
        """Do jobs until SIGINT or SIGTERM; jobs under way are put back where they can be."""
        logging.configure(self.settings.log_level)
        celery = self._celery()
        celery.task(name=RUN_JOB)(self._run_job)
        celery.task(name=REAP)(self._reap)
        self._listen_to_signals()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You're running the worker with superuser")
            celery.Worker(
                pool_cls="prefork",
                concurrency=processes,
                queues=(JOBS, UPKEEP),
                loglevel="WARNING",
                quiet=True,
                without_gossip=True,
                without_mingle=True,
            ).start()

    def beat(self) -> None:
        """Ask for upkeep at its times; of several beats one is awake.

        Celery's ends when it loses Redis, and is made anew here until it has it back.
        """
        logging.configure(self.settings.log_level)
        getLogger("celery.beat").disabled = True  # what it has to say is one line here
        while True:
            try:
                self._celery().Beat(quiet=True, loglevel="WARNING", max_interval=5).run()
            except TRANSPORT_FAULTS as error:
                log.warning("beat_without_redis", error=type(error).__name__)
                time.sleep(SECONDS_WITHOUT_REDIS)
            else:
                return

    def _celery(self) -> Celery:
        url = _secret(self.settings)
        every = self.upkeep.every.total_seconds()
        return new_celery(
            url,
            worker_prefetch_multiplier=1,
            worker_max_tasks_per_child=JOBS_PER_PROCESS,
            worker_proc_alive_timeout=SECONDS_TO_FORK,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
            worker_cancel_long_running_tasks_on_connection_loss=False,
            broker_connection_retry_on_startup=True,
            broker_connection_max_retries=None,
            beat_scheduler="redbeat.RedBeatScheduler",
            beat_schedule={
                "reap": {
                    "task": REAP,
                    "schedule": every,
                    # Those that nobody fetched in time would all say the same.
                    "options": {"queue": UPKEEP, "expires": every},
                }
            },
            result_expires=None,
            redbeat_redis_url=url,
            redbeat_redis_options={"socket_connect_timeout": 0.5, "socket_timeout": 5.0},
            redbeat_key_prefix="etftrader:beat:",
            redbeat_lock_timeout=20,
        )

    def _listen_to_signals(self) -> None:
        client = redis.Redis.from_url(
            _secret(self.settings), socket_connect_timeout=0.5, socket_timeout=0.5
        )
        for signal, act in (
            (signals.worker_process_init, self._open),
            (signals.worker_process_shutdown, self._close),
            (signals.worker_shutting_down, self._stopping.set),
            (signals.heartbeat_sent, lambda: heartbeat.listening(client)),
        ):
            signal.connect(_ignoring_arguments(act), weak=False)

    def _open(self) -> None:
        self._process = WorkerProcess(self.settings)
        self._parent = os.getppid()

    def _is_stopping(self) -> bool:
        """Asked to end, or left alone by a parent that was killed."""
        return self._stopping.is_set() or os.getppid() != self._parent

    def _close(self) -> None:
        if self._process is not None:
            self._process.close()

    def _run_job(self, job_id: int) -> None:
        assert self._process is not None
        self._process.run(
            lambda resources: running.run(
                Workshop(resources, self.handlers, self.timing, self._is_stopping), job_id
            )
        )

    def _reap(self) -> None:
        assert self._process is not None
        self._process.run(
            lambda resources: job_reaping.reap(
                resources.sessions, now=utc_now(), patience=self.upkeep.patience
            )
        )


def _secret(settings: Settings) -> str:
    assert settings.redis_url is not None
    return settings.redis_url.get_secret_value()


def _ignoring_arguments(act: Callable[[], None]) -> Callable[..., None]:
    def listener(**_: Any) -> None:
        act()

    return listener
