"""Silence, also for what writes past Python. It imports little, since an engine must leave no file in the home directory."""

import io
import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def hushed():
    """Send stdout and stderr to nowhere, Python's (a kernel has its own) and file descriptors 1 and 2, which children inherit."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(fd) for fd in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for fd in (1, 2):
            os.dup2(nowhere, fd)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for fd, old in zip((1, 2), kept, strict=True):
            os.dup2(old, fd)
            os.close(old)
        os.close(nowhere)
