"""Record attention with its table of scores and without, on one GPU: python3 data/record_flash.py OUT.json

Naive attention (four lines below) and PyTorch's FlashAttention kernel, causal, one sequence, 16 heads of width 64,
bfloat16; forward alone, and forward with backward. For each length: the median seconds of up to five runs and the peak
of what the run allocates beside its inputs. A row of naive with "seconds": null ended in torch.OutOfMemoryError.
"last_alive": the longest multiple of 1,024 tokens at which naive still ran, by bisection. Under a minute on one H200.

Without a GPU (--cpu, for a test) the lengths are tiny, nothing runs out, and bytes are null. The book and its tests
read data/flash-attention.json and never write it.
"""

import gc
import json
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

HEADS, WIDTH, STEP = 16, 64, 1024
LENGTHS = [2**k for k in range(9, 19)]  # 512 to 262,144
TINY = [16, 32, 64]


def naive(Q, K, V):
    """Return causal attention of (1, heads, n, width) by way of all n × n scores."""
    n = Q.shape[-2]
    future = torch.ones(n, n, dtype=torch.bool, device=Q.device).triu_(1)
    scores = (Q * WIDTH**-0.5) @ K.mT
    return scores.masked_fill_(future, -torch.inf).softmax(-1) @ V


def flash(Q, K, V):
    """Return the same from the library's fused kernel, and from no other."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return F.scaled_dot_product_attention(Q, K, V, is_causal=True)


def inputs(n, device, grad, dtype=torch.bfloat16):
    """Return Q, K, V and a gradient to pull back, each (1, heads, n, width)."""
    torch.manual_seed(n)
    shape = (4, 1, HEADS, n, WIDTH)
    Q, K, V, G = torch.randn(shape, device=device).to(dtype).unbind()
    return [x.clone().requires_grad_(grad) for x in (Q, K, V)], G.clone()


def once(attend, QKV, G, grad):
    """Run forward, or forward and backward; drop all results."""
    if grad:
        torch.autograd.grad(attend(*QKV), QKV, G)
    else:
        with torch.no_grad():
            attend(*QKV)


def measure(attend, n, device, grad, runs=5):
    """Return (median seconds, peak bytes beside the inputs), or None when memory ends."""
    gpu = device == "cuda"
    if gpu:
        gc.collect()
        torch.cuda.empty_cache()
    try:
        QKV, G = inputs(n, device, grad)
        if gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        once(attend, QKV, G, grad)
        peak = torch.cuda.max_memory_allocated() - before if gpu else None
        times = []
        while len(times) < runs and sum(times) < 2:
            if gpu:
                torch.cuda.synchronize()
            began = time.perf_counter()
            once(attend, QKV, G, grad)
            if gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
    except torch.OutOfMemoryError:
        return None
    return statistics.median(times), peak


def alive(n, device, grad):
    """Return whether naive attention over n tokens ends without running out."""
    return measure(naive, n, device, grad, runs=1) is not None


def last_alive(grad, below, above, device="cuda"):
    """Return the longest multiple of STEP that lives, known to lie in [below, above)."""
    low, high = below // STEP, above // STEP
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high) if alive(middle * STEP, device, grad) else (low, middle)
        )
    return low * STEP


def errors(device, n):
    """Return each way's largest distance from attention in float64 on the same numbers."""
    QKV, _ = inputs(n, device, grad=False)
    exact = naive(*(x.double() for x in QKV))
    return {
        f.__name__: float((f(*QKV).double() - exact).abs().max())
        for f in (naive, flash)
    }


def record(device, lengths):
    """Return everything as one dictionary."""
    rows, last = [], {}
    for way in (naive, flash):  # libraries' workspaces exist before anything counts
        for grad in (False, True):
            measure(way, lengths[0], device, grad)
    for grad, name in ((False, "forward"), (True, "forward+backward")):
        for way in (naive, flash):
            dead = None
            for n in lengths:
                found = None if dead else measure(way, n, device, grad)
                if found is None and dead is None:
                    dead = n
                seconds, peak = found or (None, None)
                if found or dead == n:  # past the first death nothing is tried
                    rows.append([way.__name__, name, n, seconds, peak])
                    print(rows[-1], file=sys.stderr, flush=True)
            if way is naive and dead:
                last[name] = last_alive(grad, dead // 2, dead, device)
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "device_bytes": torch.cuda.get_device_properties(0).total_memory
        if device == "cuda"
        else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "heads": HEADS,
        "width": WIDTH,
        "dtype": "bfloat16",
        "error_tokens": min(2048, lengths[-1]),
        "errors": errors(device, min(2048, lengths[-1])),
        "last_alive": last,
        "columns": ["way", "pass", "tokens", "seconds", "bytes"],
        "rows": rows,
    }


def as_text(found):
    """Return the dictionary as JSON, one row a line."""
    rows = ",\n  ".join(json.dumps(row) for row in found["rows"])
    head = json.dumps({k: v for k, v in found.items() if k != "rows"}, indent=1)
    return head[:-2] + f',\n "rows": [\n  {rows}\n ]\n}}\n'


if __name__ == "__main__":
    paths = [a for a in sys.argv[1:] if a != "--cpu"]
    if len(paths) != 1:
        raise SystemExit("usage: python3 record_flash.py [--cpu] OUT.json")
    tiny = "--cpu" in sys.argv
    found = record("cpu", TINY) if tiny else record("cuda", LENGTHS)
    Path(paths[0]).write_text(as_text(found))
