"""chapters/cloud-whole.ipynb: its unit is that of cloud-unit, plans are parsed, and Spark joins a cluster and leaves it clean."""

import ast
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pyspark
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import given
from hypothesis import strategies as st

C = chapter("cloud-whole")


def source_of(name, notebook):
    """The text of a function of a notebook."""
    for cell in nbformat.read(CHAPTERS / f"{notebook}.ipynb", 4).cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if getattr(node, "name", None) == name:
                    return ast.unparse(node)
    raise AssertionError(f"{notebook} has no {name}")


def test_the_unit_is_word_for_word_that_of_the_chapter_before():
    assert source_of("unit", "cloud-whole") == source_of("unit", "cloud-unit")


@given(st.binary())
def test_the_unit_never_raises_on_bytes(data):
    row = C.unit(data)
    assert [*row] == ["tokens", "functions", "sha256", "error"]
    assert len(row["sha256"]) == 64 and row["functions"] >= 0


@pytest.mark.parametrize("bad", ["text", None, 3, bytearray(b"x")])
def test_the_unit_refuses_what_is_not_bytes(bad):
    with pytest.raises(TypeError, match="reads bytes"):
        C.unit(bad)


TREES = st.recursive(
    st.tuples(st.sampled_from(["Range", "Project", "Exchange"]), st.just([])),
    lambda tree: st.tuples(
        st.sampled_from(["Sort", "Exchange", "BroadcastExchange", "SortMergeJoin"]),
        st.lists(tree, min_size=1, max_size=2),
    ),
    max_leaves=6,
)


def spark_text(tree, staged):
    """Print a tree as Spark does; yield its lines and (depth, name)."""

    def lines(node, before, own, depth):
        name, below = node
        yield (
            f"{before}{own}{'*(3) ' if staged else ''}{name} [k#1L], [A - B]",
            (
                depth,
                name,
            ),
        )
        inner = before + ("" if not own else ":  " if own == ":- " else "   ")
        for i, child in enumerate(below):
            last = i == len(below) - 1
            yield from lines(child, inner, "+- " if last else ":- ", depth + 1)

    return list(lines(tree, "", "", 0))


@given(TREES, st.booleans())
def test_a_printed_plan_is_read_back(tree, staged):
    printed = spark_text(tree, staged)
    text = "== Physical Plan ==\n" + "\n".join(line for line, _ in printed) + "\n\n"
    assert C.nodes(text) == [node for _, node in printed]


def test_marks_of_many_processes_are_all_counted(tmp_path):
    code = (
        f"import os, uuid\nmarks_at = {str(tmp_path)!r}\n{source_of('mark', 'cloud-whole')}\n"
        "for _ in range(50): mark('x~y')"
    )
    crowd = [subprocess.Popen([sys.executable, "-I", "-c", code]) for _ in range(4)]
    assert [process.wait() for process in crowd] == [0] * 4
    assert len(list(tmp_path.iterdir())) == 200


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(log, words, seconds=120):
    """Wait until a log says so."""
    for _ in range(seconds * 10):
        if words in log.read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"{words!r} was never said:\n{log.read_text()}")


JOB = """
from engines import start_spark
spark, engine = start_spark(spark_cores_max=2, spark_executor_memory="512m")
parts = spark.sparkContext.parallelize(range(8), 4)
print(spark.sparkContext.master, parts.map(lambda x: x * x).sum(), engine.folder)
raise RuntimeError("a cell fails")
"""


def test_spark_joins_the_cluster_that_the_environment_names_and_leaves_nothing():
    """A Spark cluster of its own processes, a master and a worker; and a program that fails in the middle of its work."""
    import engines

    folder = Path(tempfile.mkdtemp(prefix="standalone-"))
    port, java = free_port(), engines._java_home(folder)
    env = os.environ | {
        "JAVA_HOME": str(java),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_SCALA_VERSION": "2.13",
        "JDK_JAVA_OPTIONS": f"-XX:-UsePerfData -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={folder}",
    }
    base = [f"{java}/bin/java", "-cp", f"{Path(pyspark.__file__).parent}/jars/*"]
    deploy = "org.apache.spark.deploy."
    host = ["--host", "127.0.0.1", "--webui-port", "0"]
    master = [
        *base,
        "-Xmx256m",
        "-Dspark.master.rest.enabled=false",
        f"{deploy}master.Master",
        *host,
        "--port",
        str(port),
    ]
    worker = [*base, "-Xmx256m", f"{deploy}worker.Worker", *host, "--cores", "2"]
    worker += ["--memory", "512m", "--work-dir", str(folder / "work")]
    address = f"spark://127.0.0.1:{port}"
    started = []
    try:
        for command, words in (
            (master, "New state: ALIVE"),
            ([*worker, address], "Successfully registered with master"),
        ):
            log = folder / f"{len(started)}.log"
            with log.open("w") as out:
                started.append(
                    subprocess.Popen(command, env=env, stdout=out, stderr=out)
                )
            wait_for(log, words)
        done = subprocess.run(
            [sys.executable, "-c", JOB],
            cwd=CHAPTERS,
            env=os.environ | {"SPARK_MASTER": address},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 1 and "a cell fails" in done.stderr, done.stderr
        said, total, theirs = done.stdout.split()
        assert (said, total) == (address, "140")
        assert not Path(theirs).exists(), "the engine's folder"
        for _ in range(100):  # the worker takes its executor down
            left = [
                p for p in psutil.process_iter() if theirs in " ".join(command_of(p))
            ]
            if not left:
                break
            time.sleep(0.1)
        assert not left
    finally:
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.wait()
        engines.shutil.rmtree(folder, ignore_errors=True)


def command_of(process):
    """Its command line and where its Spark lives."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return []
        return [*process.cmdline(), process.environ().get("SPARK_HOME", "")]
    except psutil.Error:
        return []
