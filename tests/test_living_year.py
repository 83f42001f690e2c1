"""chapters/living-year.ipynb: its explorable draws what the law says."""

import numpy as np
import pytest
from chapter_code import chapter

YEAR = chapter("living-year")


@pytest.mark.parametrize("b", [0, 0.05, 0.1, 0.2])
def test_the_explorable_of_the_days_draws_what_the_law_says(run_script, b):
    k = np.arange(1, 7)
    rho, phi = 0.6, 0.7
    centred = YEAR.centred(phi, rho)
    data = [None] * 21
    data[round(100 * b)] = [rho, phi, 0.04 if b < 0.15 else 0.06, 2.5, *centred]
    done = run_script(YEAR.SCRIPT, {"b": b}, data)
    within = rho * phi**k
    curves = {".t": within, ".p": b + (1 - b) * within, ".c": centred}
    for name, curve in curves.items():
        points = [p.split(",") for p in done["set"][f"{name} points"].split()]
        assert [int(x) for x, _ in points] == [52 + 54 * j for j in range(6)]
        np.testing.assert_allclose(
            [float(y) for _, y in points], 168 - 250 * np.asarray(curve), atol=0.06
        )
    assert done["said"]["half"] == "2.5"
    assert done["said"]["word"].startswith("within" if b < 0.15 else "more than")


@pytest.mark.parametrize("make", [list, tuple, iter])
def test_cues_told_once_are_taught_in_every_trial(make):
    """Two cues that come together share the outcome, whatever alpha."""
    strength = {"a": 0.0, "b": 0.0, "c": 0.0}
    YEAR.learn(strength, make("ab"), 1.0)
    assert strength == {"a": pytest.approx(0.5), "b": pytest.approx(0.5), "c": 0.0}
