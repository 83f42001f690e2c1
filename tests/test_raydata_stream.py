"""What the ray.data chapter cannot check about itself: its model on other pipelines, and its instruments on bad input."""

import ast
import itertools
import json
import math
import sys
import threading
from fractions import Fraction
from types import SimpleNamespace

import nbformat
import pytest
from chapter_code import CHAPTERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
import raydata_counting


def definitions(chapter, wanted):
    """Run the imports of the standard library and the wanted functions and classes of a chapter, without its engine."""
    names = {"__name__": chapter}
    for cell in nbformat.read(CHAPTERS / f"{chapter}.ipynb", 4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.parse(cell.source).body:
            name = getattr(node, "name", None) or getattr(
                getattr(node, "targets", [None])[0], "id", None
            )
            plain = isinstance(node, (ast.Import, ast.ImportFrom)) and (
                getattr(node, "module", None) or node.names[0].name
            ) in ("heapq", "itertools", "math", "collections", "fractions", "numpy")
            if plain or name in wanted:
                exec(
                    compile(ast.Module([node], []), chapter, "exec", dont_inherit=True),
                    names,
                )
    return SimpleNamespace(**{k: v for k, v in names.items() if not k.startswith("_")})


MODEL = (
    "Stage Task Pipeline may_start run peak makespan line THREE ONE_EACH DATA QUARTERS "
    "in_quarters starts least_batch"
).split()
model = definitions("raydata-stream", MODEL)

pipelines = st.builds(
    lambda parts, cpu, gpu: (
        [model.Stage(str(k), device, s) for k, (device, s) in enumerate(parts)],
        {"cpu": cpu, "gpu": gpu},
    ),
    st.lists(
        st.tuples(st.sampled_from(["cpu", "gpu"]), st.integers(1, 5)),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 3),
    st.integers(1, 3),
)


# No clock: a busy machine is no failure.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@settings(calm, max_examples=150)
@given(pipelines, st.integers(0, 12), st.integers(1, 9))
def test_any_pipeline_ends_within_its_budget_and_one(pipeline, blocks, budget):
    stages, slots = pipeline
    tasks, store = model.run(stages, blocks, slots, budget)
    assert raydata_counting.is_schedule(tasks, stages, blocks, slots)
    assert (
        model.peak(store)
        == raydata_counting.store_from_tasks(tasks, stages)
        <= budget + 1
    )


@settings(calm, max_examples=100)
@given(pipelines, st.integers(1, 10))
def test_no_schedule_beats_the_work_of_a_device_or_the_path_of_a_block(pipeline, n):
    stages, slots = pipeline
    least = max(
        [sum(s.seconds for s in stages)]
        + [
            n * sum(s.seconds for s in stages if s.device == d) / p
            for d, p in slots.items()
        ]
    )
    flowing = model.makespan(model.run(stages, n, slots)[0])
    waiting = model.makespan(model.run(stages, n, slots, bulk=True)[0])
    assert least <= flowing and least <= waiting
    assert flowing <= n * sum(s.seconds for s in stages)


def test_the_witnesses_see_a_wrong_schedule():
    tasks, _ = model.run(model.THREE, 4, model.ONE_EACH, 4)
    assert raydata_counting.is_schedule(tasks, model.THREE, 4, model.ONE_EACH)
    early = [t._replace(start=0) if (t.stage, t.block) == (1, 3) else t for t in tasks]
    twice = [*tasks[:-1], tasks[0]]
    crowd = [t._replace(slot=0) for t in tasks]
    beyond = [t._replace(slot=t.slot + 1) for t in tasks]
    for wrong in (early, twice, crowd, beyond, tasks[:-1]):
        assert not raydata_counting.is_schedule(wrong, model.THREE, 4, model.ONE_EACH)


def test_what_makes_no_sense_is_refused():
    stages, slots = model.line((1, 1))
    for blocks, budget in ((-1, 4), (3, 0)):
        with pytest.raises(ValueError, match="need"):
            model.run(stages, blocks, slots, budget)
    with pytest.raises(ValueError, match="need"):
        model.run(stages, 3, {"0": 1, "1": 0})


def test_the_explorable_has_all_that_its_script_reads():
    """The script finds a run under each setting, and rebuilds the tasks that the model made."""
    for size, rate, budget in itertools.product((1, 2, 4), (1, 3, 6), range(4, 25, 4)):
        numbers, most = model.starts(size, rate, budget)
        n = model.DATA // size
        assert len(numbers) == 3 * n and json.dumps(numbers)
        length = [1 + 2 * size, 1 + rate * size, 1 + size]
        change, end = [], 0
        for i, x in enumerate(numbers):
            stage, start = i // n, x if i // n == 1 else x >> 1
            end = max(end, start + length[stage])
            change += [(start + length[stage], 0, size)] * (stage < 2)
            change += [(start + length[stage], 1, -size)] * (stage > 0)
        held = list(itertools.accumulate(x for *_, x in sorted(change)))
        assert max(held) == most <= max(budget, size) + size and held[-1] == 0
        assert end * 2.5 <= 600, "wider than the drawing"
        assert 270 - 6 * most >= 116, "higher than the drawing"


class Plan:
    """A data set that says a given plan."""

    def __init__(self, text):
        self.text = text

    def explain(self):
        print(self.text)


CHAIN = """
-------- Logical Plan --------
MapRows[Map(f)]
+- Read[ReadRange]

-------- Physical Plan (Optimized) --------
TaskPoolMapOperator[ReadRange->Map(f)]
+- InputDataBuffer[Input]
"""


def test_plan_reads_a_chain_and_refuses_the_rest():
    assert raydata_counting.plan(Plan(CHAIN)) == ["ReadRange->Map(f)"]
    assert raydata_counting.plan(Plan(CHAIN), "Logical Plan") == ["ReadRange", "Map(f)"]
    with pytest.raises(ValueError, match="no 'Physical Plan' in the plan"):
        raydata_counting.plan(Plan(CHAIN), "Physical Plan")
    branches = CHAIN.replace("+- InputDataBuffer[Input]", "+- A[A]\n+- B[B]")
    with pytest.raises(ValueError, match="not a chain"):
        raydata_counting.plan(Plan(branches))


def test_ran_reads_units():
    text = "Operator 1 A->B: 16 tasks executed, 16 blocks produced in 1s\n* Remote cpu time: 5ms min, 9ms max, 111.5{} total\n"
    for unit, factor in (("us", 1e-6), ("ms", 1e-3), ("s", 1)):
        said = SimpleNamespace(stats=lambda unit=unit: text.format(unit))
        [(name, tasks, cpu)] = raydata_counting.ran(said)
        assert (name, tasks) == ("A->B", 16) and math.isclose(cpu, 111.5 * factor)
    assert raydata_counting.ran(SimpleNamespace(stats=str)) == []


def test_log_lines_stay_whole_under_a_race(tmp_path):
    log = raydata_counting.Log(tmp_path / "log")
    start = threading.Barrier(8)

    def write(who):
        start.wait()
        for i in range(200):
            log.note(who, i, "x" * 50)

    writers = [threading.Thread(target=write, args=(who,)) for who in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = log.take()
    assert len(lines) == 1600 and log.lines() == []
    for who in range(8):
        own = [int(i) for w, i, x in lines if w == str(who)]
        assert own == list(range(200)), "in the order in which they were written"


prices = st.fractions(Fraction(1, 10**9), 1)


@settings(calm, max_examples=40)
@given(prices, prices, st.fractions(Fraction(1, 100), Fraction(99, 100)))
def test_the_least_batch_is_least(cost, dressing, waste):
    def wasted(m):
        return (dressing / m) / (cost + dressing / m)

    m = model.least_batch(cost, dressing, waste)
    assert m.bit_count() == 1 and wasted(m) <= waste
    assert m == 1 or wasted(m // 2) > waste


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("bad", [0, -1, -math.inf, math.nan])
def test_prices_for_which_no_batch_is_large_enough_are_refused(place, bad):
    """Kind: a search without an end. A dressing that costs nothing needs no batch at all."""
    arguments = [1, 1, Fraction(1, 10)]
    arguments[place] = bad
    if place == 1 and bad == 0:
        assert model.least_batch(*arguments) == 1
        return
    with pytest.raises(ValueError, match="no batch"):
        model.least_batch(*arguments)


@given(st.permutations([k for k in range(6) for _ in range(2)]), st.integers(0, 6))
def test_a_log_told_once_is_the_same_log(order, early):
    """Both helpers go through the lines twice."""
    lines = [["decode", "ends", str(k)] for k in range(early)]
    lines += [["infer", "ends", "0"], ["decode", "ends", "9"], ["infer", "ends", "1"]]
    for make in (list, tuple, iter):
        assert raydata_counting.before_the_door(make(lines)) == early
    seen, lines = [], []
    for k in order:  # a task starts, and at its second place in the list finds
        lines.append(["finds" if k in seen else "starts", str(k), str(k * k)])
        seen.append(k)
    expect = [k * k for k in dict.fromkeys(order)]
    for make in (list, tuple, iter):
        assert raydata_counting.found(make(lines)) == expect
