"""`python -m app.supervisor.tied PIPE MODULE ARGUMENTS`: run a module that ends with its parent.

The parent keeps the other end of the pipe open and never writes. Reading ends when the parent is
gone, whatever ended it; then this process is asked to stop, and made to if it does not.
"""

import os
import runpy
import signal
import sys
import threading
import time

SECONDS_TO_STOP = 15.0


def main() -> None:
    pipe, module = int(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_parent(pipe: int) -> None:
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_STOP)
    os._exit(1)


if __name__ == "__main__":
    main()
