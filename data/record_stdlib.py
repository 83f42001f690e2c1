"""Record what the unit of chapters/cloud-unit.ipynb says of this Python's standard library: python data/record_stdlib.py

Writes data/stdlib-rows.parquet: path, bytes, tokens, functions, nodes (of the syntax tree), sha256, error; no source.
The book and its tests read the table and never write it.
"""

import ast
import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
from chapter_code import chapter  # noqa: E402


def rows(unit, files):
    """Return one row for each of the {name: bytes}, the unit's four fields and two more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            {
                "path": name,
                "bytes": len(source),
                "nodes": sum(1 for _ in ast.walk(ast.parse(source))),
                **unit(source),
            }
            for name, source in sorted(files.items())
        ]


if __name__ == "__main__":
    cloud = chapter("cloud-unit")
    table = pa.Table.from_pylist(rows(cloud.unit, cloud.FILES))
    narrow = {name: pa.int32() for name in ("bytes", "nodes", "tokens", "functions")}
    table = table.cast(
        pa.schema([(f.name, narrow.get(f.name, f.type)) for f in table.schema])
    )
    pq.write_table(
        table, HERE / "stdlib-rows.parquet", compression="zstd", compression_level=19
    )
    print(f"Python {sys.version.split()[0]}: {table.num_rows} files")
