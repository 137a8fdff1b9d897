"""Takes part in a job with the handlers of `small_worker`."""

from app.workers import here
from tests.workers.small_worker import HANDLERS

if __name__ == "__main__":
    here.main(HANDLERS)
