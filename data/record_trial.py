"""Record how many steps each reader of chapters/transformer-the-trial.ipynb needs: python data/record_trial.py

Writes data/trial-steps.json: "cap", and "runs", each [reader, question last or first, entries, seed, steps or null].
null: not right on 90 % by the cap. It takes the better part of an hour on one core; the book and its tests read the
file and never write it. On another processor some numbers come out other, since training amplifies a last digit.
"""

import json
import sys
from functools import partial
from itertools import product
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
from chapter_code import chapter  # noqa: E402

CAP = 3000
OTHER_SEEDS = {  # for these the cases that end soon, and a few that do not
    "last": {
        "attention": (1, 2, 4, 8, 16),
        "LSTM": (1, 2, 4, 8),
        "GRU": (1, 2, 4),
        "RNN": (1, 2, 4),
        "convolution": (1, 2),
    },
    "first": {
        "attention": (1, 2),
        "LSTM": (1, 2, 4, 8),
        "GRU": (1, 2, 4, 8),
        "RNN": (1, 2, 4),
        "convolution": (1, 2),
    },
}


def plan(trial):
    """Yield (reader, last or first, entries, seed): the chapter's seed, then the others."""
    for when, n, name in product(("last", "first"), (1, 2, 4, 8, 16), trial.RECALL):
        if (when, n) != ("first", 16) or name in ("attention", "LSTM", "GRU"):
            yield name, when, n, trial.SEED
    for seed, when in product((1, 2), OTHER_SEEDS):
        for name, entries in OTHER_SEEDS[when].items():
            yield from ((name, when, n, seed) for n in entries)


if __name__ == "__main__":
    torch.set_num_threads(1)
    trial, runs = chapter("transformer-the-trial"), []
    for name, when, n, seed in plan(trial):
        task = partial(trial.recall_batch, entries=n, first=when == "first")
        steps = trial.steps_until(trial.build(name, seed=seed), task, CAP, seed)
        runs.append([name, when, n, seed, steps])
        print(runs[-1], flush=True)
    lines = ",\n ".join(json.dumps(run) for run in runs)
    text = f'{{"cap": {CAP}, "runs": [\n {lines}\n]}}\n'
    (HERE / "trial-steps.json").write_text(text)
