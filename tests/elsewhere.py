"""Chapters as other machines would run them: `make elsewhere`, or

    python tests/elsewhere.py [--kinds SSE2,AVX2] [--load 8] [chapters/NAME.ipynb …]

A kind switches numpy, its OpenBLAS, torch and oneDNN to the arithmetic of another processor, or gives them two threads;
`--load` adds busy neighbours. Kinds that this processor cannot play are left out, and named. Each chapter and kind that
falls is a line; the last line counts. Ends with status 1 if any fell.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy

CHAPTERS = Path(__file__).resolve().parents[1] / "chapters"
ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def processor(blas, numpy_lacks, torch, onednn):
    return ONE | {
        "OPENBLAS_CORETYPE": blas,
        "NPY_DISABLE_CPU_FEATURES": numpy_lacks,
        "ATEN_CPU_CAPABILITY": torch,
        "ONEDNN_MAX_CPU_ISA": onednn,
    }


WIDE = "X86_V4 AVX512_ICL AVX512_SPR"
KINDS = {
    "here": ONE,
    "SSE2": processor("Prescott", f"X86_V3 {WIDE}", "default", "SSE41"),
    "AVX2": processor("Haswell", WIDE, "avx2", "AVX2"),
    "Zen": processor("Zen", WIDE, "avx2", "AVX2"),
    "AVX-512": processor("SkylakeX", "", "avx512", "ALL"),
    "two threads": dict.fromkeys(ONE, "2"),
}


def playable():
    """The kinds whose instructions this processor has, as numpy found them: another's would end the process."""
    known = numpy.show_config("dicts").get("SIMD Extensions", {})
    here = {*known.get("baseline", ()), *known.get("found", ())}
    wants = {"SSE2": "X86_V2", "AVX2": "X86_V3", "Zen": "X86_V3", "AVX-512": "X86_V4"}
    return [kind for kind in KINDS if kind not in wants or wants[kind] in here]


# Runs a notebook's code from top to bottom in one process and says where it fell.
RUNNER = """
import json, os, sys
import matplotlib
matplotlib.use("agg")
from IPython.core.interactiveshell import InteractiveShell
shell, out = InteractiveShell.instance(), os.dup(1)
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        result = shell.run_cell("".join(cell["source"]), store_history=False)
        if error := result.error_before_exec or result.error_in_exec:
            words = f"cell {cell['id']}: {type(error).__name__}: {error}"
            os.write(out, ("\\nFELL " + " ".join(words.split())[:300] + "\\n").encode())
            sys.exit(3)
os.write(out, b"\\nSTOOD\\n")
"""


def outcome(notebook, folder, environment, seconds):
    """Run a notebook's code in `folder`; return how it fell, or None. `environment` replaces what kinds may set."""
    alone = {k: v for k, v in os.environ.items() if k not in KINDS["SSE2"]}
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", RUNNER, str(notebook)],
            cwd=folder,
            env=alone | {"PYTHONPATH": "."} | environment | {"IPYTHONDIR": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return f"still ran after {seconds:.0f} s"
    said = [x for x in out.splitlines() if x.startswith(("FELL", "STOOD"))]
    if said[-1:] == ["STOOD"]:
        return None
    return said[-1] if said else f"ended with {process.returncode}: {err[-300:]}"


def fell(chapter, kind, seconds=3600):
    """Run one chapter under one kind; return how it fell, or None. Only a chapter that hangs needs so many seconds."""
    return outcome(chapter, chapter.parent, KINDS[kind], seconds)


@contextmanager
def neighbours(number):
    """So many processes that do nothing but keep the machine busy."""
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(number)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapters", nargs="*", type=Path)
    parser.add_argument("--kinds", default=",".join(playable()))
    parser.add_argument("--load", type=int, default=0, metavar="N")
    given = parser.parse_args()
    kinds = given.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"unknown kinds {sorted(unknown)}; there are {list(KINDS)}")
    chapters = [c.resolve() for c in given.chapters] or sorted(CHAPTERS.glob("*.ipynb"))
    if left_out := set(KINDS) - set(kinds):
        print(f"left out: {', '.join(sorted(left_out))}", flush=True)
    pairs = [(c, k) for c in chapters for k in kinds]
    with neighbours(given.load), ThreadPoolExecutor(os.cpu_count()) as pool:
        ends = list(pool.map(lambda pair: fell(*pair), pairs))
    for (chapter, kind), how in zip(pairs, ends, strict=True):
        if how:
            print(f"{chapter.name} [{kind}] {how}")
    print(f"{len(pairs)} runs, {sum(map(bool, ends))} fell")
    return any(ends)


if __name__ == "__main__":
    sys.exit(main())
