"""Which handler does which kind of job: one line each."""

from collections.abc import Mapping

from app.models import JobKind
from app.workers import backtest, data_update, factor_research, sweep, sweep_chunk
from app.workers.context import Handler

HANDLERS: Mapping[str, Handler] = {
    JobKind.BACKTEST: backtest.handle,
    JobKind.FACTOR_RESEARCH: factor_research.handle,
    JobKind.DATA_UPDATE: data_update.handle,
    JobKind.SWEEP: sweep.handle,
    JobKind.SWEEP_CHUNK: sweep_chunk.handle,
}
