"""Record how five position schemes read texts longer than they were trained on: python data/record_lengths.py

Writes data/position-lengths.json: "steps", "short" (the longest training text), "lengths", and "runs", each
[scheme, seed, share right at each length]. It takes some minutes on one core; the book and its tests read the file
and never write it. On another processor some numbers come out other, since training amplifies a last digit.
"""

import json
import sys
from functools import partial
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
sys.path.insert(0, str(HERE.parent / "chapters"))
from chapter_code import chapter  # noqa: E402
from transformer_lengths import SCHEMES, placed_reader  # noqa: E402
from transformer_readers import examine, train  # noqa: E402

STEPS = 500
SEEDS = (597, 1)

if __name__ == "__main__":
    torch.set_num_threads(1)
    page, runs = chapter("transformer-position"), []
    for seed in SEEDS:
        for scheme in SCHEMES:
            reader = placed_reader(scheme, seed)
            train(reader, page.latest_batch, STEPS, seed)
            right = [
                examine(reader, partial(page.latest_batch, n=n), 1000)[0]
                for n in page.LENGTHS
            ]
            runs.append([scheme, seed, [round(r, 3) for r in right]])
            print(runs[-1], flush=True)
    lines = ",\n ".join(json.dumps(run) for run in runs)
    about = {"steps": STEPS, "short": page.SHORT, "lengths": list(page.LENGTHS)}
    text = json.dumps(about)[:-1] + f', "runs": [\n {lines}\n]}}\n'
    (HERE / "position-lengths.json").write_text(text)
