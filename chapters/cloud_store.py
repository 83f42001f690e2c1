"""An object store in memory that counts what it is asked, as stores bill it; for cloud-daily.ipynb.

It stands where s3fs or gcsfs would: fsspec above it, pyarrow above that. `asked` lists the requests as (kind, bytes):
LIST, a page of names; HEAD, the size of one object; GET, a range of its bytes.
"""

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

PAGE = 1000  # names in one answer, as S3 has it


class Store(AbstractFileSystem):
    """Objects by name, {"folder/name": bytes}; no folders, only names with slashes."""

    cachable = False

    def __init__(self, objects):
        super().__init__(use_listings_cache=False)
        self.objects, self.asked = objects, []

    def ls(self, path, detail=True, **_):
        """Return what lies under a prefix."""
        names = sorted(n for n in self.objects if n.startswith(path.strip("/") + "/"))
        self.asked += [("LIST", 0)] * max(1, -(-len(names) // PAGE))
        about = [self._about(name) for name in names]
        return about if detail else names

    def info(self, path, **_):
        """Return name, size and type; a prefix that has objects is a directory."""
        path = path.strip("/")
        self.asked.append(("HEAD", 0))
        if path in self.objects:
            return self._about(path)
        if any(name.startswith(path + "/") for name in self.objects):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def _about(self, name):
        return {"name": name, "size": len(self.objects[name]), "type": "file"}

    def _open(self, path, mode="rb", block_size=None, **_):
        if mode != "rb":
            raise ValueError("this store is only read")
        return Object(self, path, mode, block_size, cache_type="none")


class Object(AbstractBufferedFile):
    """One object, open; each range that is read is one request."""

    def _fetch_range(self, start, end):
        data = self.fs.objects[self.path][start:end]
        self.fs.asked.append(("GET", len(data)))
        return data
