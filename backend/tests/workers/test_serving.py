"""Celery workers as an installation runs them: killed, without Redis, told everything thrice."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from app.bootstrap import Resources
from app.core import embedded
from app.core.config import Settings
from app.core.database import reading, unit_of_work
from app.core.embedded import Home, Valkey, locks, process
from app.core.embedded.locks import Patience
from app.models import Job, JobState, User
from app.services import jobs
from app.services.jobs import Chunks
from app.supervisor import children
from app.supervisor.children import Child, Program
from app.workers.process import WorkerProcess
from tests.core.test_embedded import wait_until
from tests.servers import Run, ServerUrls
from tests.workers.small_worker import STEPS
from tests.workers.test_running import submit

pytestmark = pytest.mark.timeout(120)
