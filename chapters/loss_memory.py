"""How many bytes PyTorch's own allocator holds while something runs (plumbing of the loss chapters)."""

import json
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from torch.profiler import ProfilerActivity, profile


@contextmanager
def _hushed():
    """Send file descriptors 1 and 2 to nowhere: the profiler's C++ side writes its start and stop there."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(fd) for fd in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for fd in (1, 2):
            os.dup2(nowhere, fd)
        yield
    finally:
        for fd, old in zip((1, 2), kept, strict=True):
            os.dup2(old, fd)
            os.close(old)
        os.close(nowhere)


def peak_bytes(run):
    """Most bytes of CPU tensors alive at once during `run()`, counted from what was alive before it.

    Sums the allocations and releases in the trace of torch.profiler, in their order.
    """
    with (
        _hushed(),
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace,
    ):
        run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        trace.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    live = peak = 0
    for event in sorted(
        (e for e in events if e["name"] == "[memory]"), key=lambda e: e["ts"]
    ):
        live += event["args"]["Bytes"]
        peak = max(peak, live)
    return peak
