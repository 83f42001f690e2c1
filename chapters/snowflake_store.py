"""For the Snowflake chapters on numbers and list: a small object store that counts what is asked of it, and races over it;
which types its pruner compares; and how its files and its lists of files are written.

By default it is a temporary folder. The engines read it through `pyarrow.fs`, as they would read a bucket. The same
cells run against any S3-compatible store when these variables are set before the kernel starts:

    BOOK_S3_ENDPOINT   its address, such as http://127.0.0.1:5000
    BOOK_S3_BUCKET     a bucket that exists (ridge-and-peak if not set)
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION   as for every AWS client

Everything is written under a fresh prefix, which is deleted when the store is closed, when it is collected, or when
Python ends.
"""

import inspect
import io
import json
import os
import subprocess
import sys
import tempfile
import uuid
import weakref
from collections import Counter
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import pyarrow.fs as pafs
import pyarrow.parquet as pq
from fsspec.implementations.arrow import ArrowFile, ArrowFSWrapper

BUCKET = "ridge-and-peak"
PATIENCE = 900  # seconds for which a child may race; only one that hangs takes so long

# --- types ----------------------------------------------------------------------------------------------------

TYPES = {
    bool: "BOOLEAN",
    int: "INTEGER",
    float: "DOUBLE",
    Decimal: "DECIMAL",
    str: "VARCHAR",
    date: "DATE",
    datetime: "TIMESTAMP",
}


def sql_type(value):
    """Return the SQL name of a value's type, None for a type that has no order here.

    Whole numbers are those of SQL, below 2**127; decimals are finite and have at most 38 digits; timestamps have no
    zone. Numbers of numpy are not ours: write int(…) or float(…).
    """
    name = TYPES.get(type(value))
    strange = (
        (name == "INTEGER" and abs(value) >= 2**127)
        or (name == "DECIMAL" and not _in_38_digits(value))
        or (name == "TIMESTAMP" and value.tzinfo is not None)
    )
    return None if strange else name


def _in_38_digits(value):
    if not value.is_finite():
        return False
    _, digits, exponent = value.as_tuple()
    return max(len(digits) + max(exponent, 0), -exponent) <= 38


def alike(constant, *values):
    """Raise TypeError unless a constant and some values, None for NULL, have one type that we can order."""
    if constant is None:
        return
    if sql_type(constant) is None:
        raise TypeError(
            f"{constant!r} ({type(constant).__name__}) is of no type that this pruner compares"
        )
    for value in values:
        if value is not None and sql_type(value) != sql_type(constant):
            raise TypeError(
                f"{sql_type(constant)} {constant!r} is not compared with "
                f"{sql_type(value) or type(value).__name__} {value!r}: cast one of them"
            )


def value_of(row, column):
    """Return what a row, a dict, holds in a column. Raises ValueError for a column that it has not, and says which."""
    if column not in row:
        raise ValueError(f"there is no column {column!r}, there are {', '.join(row)}")
    return row[column]


def check_box(box, row):
    """Refuse a box {column: (low, high)} that does not fit a row or bounds, a dict: ValueError for a column that is not
    there, TypeError for ends of another type than the values, which would find no row without a word."""
    for column, ends in box.items():
        values = value_of(row, column)
        values = values if isinstance(values, tuple | list) else [values]
        for end in ends:
            if end is None:
                raise TypeError(
                    f"{column!r} lies between NULL and something: in no box"
                )
            for value in values:
                if value is not None and _kind(value) != _kind(end):
                    raise TypeError(
                        f"{column!r} holds {_kind(value)} {value!r}, the box {_kind(end)} {end!r}: cast one of them"
                    )


def _kind(value):
    """Return the name of a value's type, in SQL where it is one that we order."""
    return sql_type(value) or type(value).__name__


# --- lists of files -------------------------------------------------------------------------------------------

_PARSERS = {
    "DATE": date.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
    "DECIMAL": Decimal,
}


def _tagged(value):
    if sql_type(value) not in _PARSERS:
        raise TypeError(
            f"a list of files cannot hold {value!r} ({type(value).__name__})"
        )
    return {sql_type(value): str(value)}


def _untagged(item):
    if len(item) == 1:
        ((tag, text),) = item.items()
        if tag in _PARSERS and isinstance(text, str):
            return _PARSERS[tag](text)
    return item


def _check_ends(column, ends):
    if not (isinstance(ends, tuple | list) and len(ends) == 2):
        raise ValueError(f"the bounds of {column!r} are a pair, and not {ends!r}")
    for end in ends:
        if sql_type(end) is None:
            raise TypeError(
                f"a list of files cannot hold {end!r} ({type(end).__name__})"
            )
    alike(*ends)
    if not ends[0] <= ends[1]:
        raise ValueError(f"no value of {column!r} lies between {ends[0]} and {ends[1]}")


def pack(files):
    """Return {path: {column: bounds}} as bytes; None or {} for a file or a column of which nothing is known.

    Raises TypeError for bounds that cannot be read back or are of two types, ValueError where no value lies between
    them: by such bounds a file would be left alone, and its rows lost, without a word.
    """
    for bounds in files.values():
        for column, ends in (bounds or {}).items():
            _check_ends(column, ends)
    return json.dumps(files, default=_tagged).encode()


def unpack(data):
    """Return what was packed."""
    return json.loads(data, object_hook=_untagged)


# --- Parquet ---------------------------------------------------------------------------------------------------


def parquet(rows):
    """Return an Arrow table as the bytes of a Parquet file."""
    out = io.BytesIO()
    pq.write_table(rows, out)
    return out.getvalue()


def lake(paths):
    """Return SQL that reads Parquet files of a store, for its own `duckdb()`."""
    return f"read_parquet({[f'lake://{path}' for path in paths]})"


# --- objects --------------------------------------------------------------------------------------------------


class CountedFile(ArrowFile):
    """A file open for reading; each read is one request to the store, and is written down."""

    def read(self, *args):
        data = self.stream.read(*args)
        self.fs.tally["reads"] += 1
        self.fs.tally["bytes"] += len(data)
        return data

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class CountedFileSystem(ArrowFSWrapper):
    """A pyarrow filesystem for the engines, under lake://, that counts opens, files, reads and bytes."""

    protocol = "lake"
    root_marker = ""
    cachable = False  # two stores in one process must not share their counts

    def __init__(self, fs):
        super().__init__(fs)
        self.tally, self.opened = Counter(), set()

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("lake://").lstrip("/")

    def open(self, path, mode="rb", **_):
        if mode != "rb":
            raise ValueError(f"engines may only read here, not {mode!r}")
        path = self._strip_protocol(path)
        stream = self.fs.open_input_file(path)
        self.tally["opens"] += 1
        self.opened.add(path)
        return CountedFile(self, stream, path, mode)


def _s3_client():
    import boto3

    return boto3.client("s3", endpoint_url=os.environ["BOOK_S3_ENDPOINT"])


def _bucket_fs():
    endpoint = os.environ["BOOK_S3_ENDPOINT"]
    scheme, _, host = endpoint.rpartition("://")
    return pafs.S3FileSystem(
        access_key=os.environ.get("AWS_ACCESS_KEY_ID"),
        secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY"),
        region=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        endpoint_override=host,
        scheme=scheme or "https",
    )


class Store:
    """Objects under one prefix: written whole, read in parts, never changed in place.

    address: what `Store(address)` in another process needs to see the same objects; None makes a new prefix,
    which this store owns and removes.
    """

    def __init__(self, address=None):
        owned = address is None
        self._client = None
        if os.environ.get("BOOK_S3_ENDPOINT"):
            bucket = os.environ.get("BOOK_S3_BUCKET", BUCKET)
            self.address = address or f"{bucket}/{uuid.uuid4().hex}"
            self._bucket, self._prefix = self.address.split("/", 1)
            self._client = _s3_client()
            remove = (_empty, self._client, self._bucket, self._prefix)
        else:
            folder = tempfile.TemporaryDirectory(prefix="lake-") if owned else None
            self.address = address or folder.name
            remove = (folder.cleanup,) if folder else None
        self.close = weakref.finalize(self, *remove) if owned else lambda: None

    @cached_property
    def fs(self):
        """What the engines read through, a pyarrow filesystem; our own requests to a bucket go by boto3."""
        base = pafs.LocalFileSystem() if self._client is None else _bucket_fs()
        return pafs.SubTreeFileSystem(self.address, base)

    @cached_property
    def counted(self):
        return CountedFileSystem(self.fs)

    @cached_property
    def engine_fs(self):
        return pafs.PyFileSystem(pafs.FSSpecHandler(self.counted))

    def duckdb(self):
        """Return a DuckDB connection that reads this store as lake://, and does nothing behind our back."""
        import duckdb

        connection = duckdb.connect()
        # DuckDB 2.0.0 reads a Python file by seek and then read, from several threads at once unless it has
        # none for that: short reads, about one query in four over two separate columns.
        connection.execute("SET threads = 1; SET async_threads = 0")
        connection.execute("SET enable_external_file_cache = false")
        connection.register_filesystem(self.counted)
        return connection

    def put(self, path, data):
        """Write the bytes `data` as the object `path`, whole, replacing what was there."""
        if self._client is not None:
            self._client.put_object(Body=data, **self._object(path))
        else:
            draft, goal = self._draft(path, data)
            os.replace(draft, goal)

    def create(self, path, data):
        """Write the object `path` unless it exists; return whether it was we who wrote it. Atomic."""
        if self._client is not None:
            return self._create_in_bucket(path, data)
        draft, goal = self._draft(path, data)
        try:
            os.link(draft, goal)  # fails, atomically, where the name is taken
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def _draft(self, path, data):
        """Write the data beside the table of `path`, where a collector finds it if we are killed."""
        goal = Path(self.address, path)
        parts = goal.relative_to(self.address).parts  # (table, …, "data" or "v", name)
        table = parts[:-2] or parts[:-1]
        draft = Path(self.address, *table, "drafts", uuid.uuid4().hex)
        for folder in (goal.parent, draft.parent):
            folder.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        return draft, goal

    def _object(self, path):
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{path}"}

    def _create_in_bucket(self, path, data):
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(Body=data, IfNoneMatch="*", **self._object(path))
        except ClientError as error:
            # 412: it exists. 409: another writer is just creating it.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                return False
            raise
        return True

    def get(self, path):
        """Return the bytes of an object, in one request; FileNotFoundError where there is none."""
        if self._client is not None:
            try:
                return self._client.get_object(**self._object(path))["Body"].read()
            except self._client.exceptions.NoSuchKey as error:
                raise FileNotFoundError(path) from error
        with self.fs.open_input_stream(path) as source:
            return source.read()

    def read(self, path, columns=None):
        """Return a Parquet object, or some of its columns, as an Arrow table."""
        return pq.read_table(io.BytesIO(self.get(path)), columns=columns)

    def sizes(self, prefix=""):
        """Return {path: bytes} of all objects in a folder and those below it."""
        if self._client is not None:
            start = len(self._prefix) + 1
            folder = f"{self._prefix}/{prefix}".rstrip("/") + "/"
            items = _listed(self._client, self._bucket, folder)
            return {item["Key"][start:]: item["Size"] for item in items}
        found = self.fs.get_file_info(
            pafs.FileSelector(prefix, allow_not_found=True, recursive=True)
        )
        return {info.path: info.size for info in found if info.is_file}

    def delete(self, path):
        """Remove one object."""
        if self._client is not None:
            self._client.delete_object(**self._object(path))
        else:
            self.fs.delete_file(path)

    @contextmanager
    def counting(self):
        """Give a dict that holds, after the block, what the engines asked of the store within it."""
        self.counted.tally.clear()
        self.counted.opened.clear()
        seen = {}
        yield seen
        seen.update(
            {name: self.counted.tally[name] for name in ("opens", "reads", "bytes")}
        )
        seen["files"] = len(self.counted.opened)

    def race(self, job, *lessons, jobs):
        """Run `job(store, **kwargs)` in one process per kwargs of `jobs`, all let go at once; return their answers.

        job, lessons: functions of the notebook; their source goes to the children, which see nothing else of it.
        """
        parts = [inspect.getsource(f) for f in (*lessons, job)]
        program = "\n\n".join([_CHILD_HEAD, *parts, _CHILD_TAIL % job.__name__])
        children = []
        try:
            for kwargs in jobs:
                child = subprocess.Popen(
                    [sys.executable, "-c", program, self.address, json.dumps(kwargs)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=Path(__file__).parent,
                    text=True,
                )
                children.append(child)
            for child in children:  # all are ready before any may go
                if child.stdout.readline() != "ready\n":
                    raise RuntimeError("a child process failed before the race")
            for child in children:
                child.stdin.write("go\n")
                child.stdin.flush()
            answers = [child.communicate(timeout=PATIENCE)[0] for child in children]
            if any(child.returncode for child in children):
                raise RuntimeError("a child process failed in the race")
            return [json.loads(answer) for answer in answers]
        finally:
            for child in children:
                if child.poll() is None:
                    child.kill()
                    child.communicate()


def _empty(client, bucket, prefix):
    """Delete all under a prefix of a bucket."""
    for item in _listed(client, bucket, f"{prefix}/"):
        client.delete_object(Bucket=bucket, Key=item["Key"])


def _listed(client, bucket, prefix):
    """Return the objects of a bucket whose keys begin so, as S3 describes them."""
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix
    )
    return [item for page in pages for item in page.get("Contents", [])]


_CHILD_HEAD = """
import json, sys, time, uuid
import pyarrow as pa; from snowflake_store import Store, check_box, pack, parquet, sql_type, unpack
"""

_CHILD_TAIL = """
store, kwargs = Store(sys.argv[1]), json.loads(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(%s(store, **kwargs)))
"""
