"""What outgrows one machine changes nothing but an address: whole chapters, word for word, on clusters that others have started.

Two nodes of Ray and two workers of Spark, on loopback, each in processes of their own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pyspark
import pytest
from chapter_code import CHAPTERS
from nbclient import NotebookClient

sys.path.insert(0, str(CHAPTERS))
import engines  # noqa: E402

TWO_NODES = """
import json, os, sys
import engines
ray, cluster, engine = engines.start_ray_cluster([1, 1])
ours = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
print(json.dumps(ours | {"RAY_ADDRESS": cluster.address}), flush=True)
sys.stdin.read()
engine.stop()
"""


@pytest.fixture
def ray_cluster():
    """What a guest of two nodes with one slot each must know: their address, their token, that they keep to loopback."""
    with subprocess.Popen(
        [sys.executable, "-c", TWO_NODES],
        cwd=CHAPTERS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        yield json.loads(program.stdout.readline())
        program.stdin.close()


@pytest.fixture(scope="module")
def spark_cluster():
    """The address of a master with two workers of one slot each."""
    folder = Path(tempfile.mkdtemp(prefix="standalone-"))
    port, java = engines._free_port(), engines._java_home(folder)
    env = os.environ | {
        "JAVA_HOME": str(java),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_SCALA_VERSION": "2.13",
        "JDK_JAVA_OPTIONS": f"-XX:-UsePerfData -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={folder}",
    }
    address = f"spark://127.0.0.1:{port}"
    java = f"{java}/bin/java -cp {Path(pyspark.__file__).parent}/jars/* -Xmx256m -Dspark.master.rest.enabled=false -Dspark.worker.timeout={engines.PATIENCE}"
    deploy = "org.apache.spark.deploy"
    master = f"{deploy}.master.Master --host 127.0.0.1 --webui-port 0 --port {port}"
    worker = f"{deploy}.worker.Worker --host 127.0.0.1 --webui-port 0 --cores 1 --memory 512m {address}"
    started = []
    try:
        for words, command in (
            ("New state: ALIVE", master),
            ("Successfully registered with master", worker),
            ("Successfully registered with master", worker),
        ):
            log = folder / f"{len(started)}.log"
            work = ["--work-dir", str(folder)] if command == worker else []
            with log.open("w") as out:
                started.append(
                    subprocess.Popen(
                        [*java.split(), *command.split(), *work],
                        env=env,
                        stdout=out,
                        stderr=out,
                    )
                )
            wait_until(lambda log=log, words=words: words in log.read_text(), words)
        yield address
    finally:
        engines.end_processes(
            [p for process in started for p in psutil.Process(process.pid).children()]
        )
        for process in started:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(ready, what):
    """Wait until `ready()`; only after many minutes say what did not come."""
    deadline = time.monotonic() + engines.PATIENCE
    while not ready():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def outputs(name, environment):
    """Run a chapter under more environment variables; return all that it prints."""
    notebook = nbformat.read(CHAPTERS / f"{name}.ipynb", 4)
    client = NotebookClient(
        notebook,
        timeout=engines.PATIENCE,
        startup_timeout=engines.PATIENCE,
        iopub_timeout=engines.PATIENCE,
        resources={"metadata": {"path": str(CHAPTERS)}},
    )
    client.execute(env=os.environ | environment)
    return [
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


def test_a_chapter_of_ray_data_runs_on_two_nodes(ray_cluster):
    said = outputs("raydata-pitfalls", ray_cluster)
    assert said[-1] == "processes and folders left: (0, 0)\n"


def test_the_chapter_of_spark_runs_on_two_workers(spark_cluster):
    said = outputs("cloud-whole", {"SPARK_MASTER": spark_cluster})
    assert any(text.startswith("8 maps, then 0; lost") for text in said)
    assert said[-1].endswith("none is left\n")


JOB = """
from engines import start_spark
spark, engine = start_spark(spark_cores_max=2, spark_executor_memory="512m")
parts = spark.sparkContext.parallelize(range(8), 4)
print(spark.sparkContext.master, parts.map(lambda x: x * x).sum(), engine.folder)
raise RuntimeError("a cell fails")
"""


def test_a_program_that_fails_leaves_nothing_on_the_cluster(spark_cluster):
    done = subprocess.run(
        [sys.executable, "-c", JOB],
        cwd=CHAPTERS,
        env=os.environ | {"SPARK_MASTER": spark_cluster},
        capture_output=True,
        text=True,
        timeout=engines.PATIENCE,
    )
    assert done.returncode == 1 and "a cell fails" in done.stderr, done.stderr
    said, total, theirs = done.stdout.split()
    assert (said, total) == (spark_cluster, "140")
    assert not Path(theirs).exists(), "the engine's folder"
    # The worker takes its executor down a little later.
    wait_until(
        lambda: not any(theirs in about(p) for p in psutil.process_iter()),
        "the end of the executor",
    )


def about(process):
    """The command line of a process, and where its Spark lives."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        home = process.environ().get("SPARK_HOME", "")
        return " ".join([*process.cmdline(), home])
    except psutil.Error:
        return ""
