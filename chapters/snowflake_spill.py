"""For chapters/snowflake-compute.ipynb: DuckDB under limits of memory and disk, and files of the store copied to the local disk."""

import json
import tempfile
from contextlib import contextmanager

import duckdb
import pyarrow.parquet as pq


def limited(query, memory, disk=None):
    """Run a query in DuckDB under limits in MB; return (its one row, most MB on disk)."""
    with tempfile.TemporaryDirectory() as folder:
        limits = {"threads": 1, "memory_limit": f"{memory}MB", "temp_directory": folder}
        with duckdb.connect(config=limits) as engine:
            if disk is not None:
                engine.execute(f"SET max_temp_directory_size = '{disk}MB'")
            engine.execute("PRAGMA enable_profiling = 'no_output'")
            (row,) = engine.execute(query).fetchall()
            told = json.loads(engine.get_profiling_information())["system"]
            return row, told["peak_temp_dir_size"] / 1e6


def write(query, system, path):
    """Write what a query returns to a Parquet file in the store."""
    with duckdb.connect(config={"threads": 1, "memory_limit": "200MB"}) as engine:
        rows = engine.sql(query).to_arrow_table()
        pq.write_table(rows, path, filesystem=system)


@contextmanager
def copied(system, path):
    """Give the name of a copy of one file of the store, on the local disk."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as local:
        with system.open_input_file(path) as remote:
            local.write(remote.read())
        local.flush()
        yield local.name
