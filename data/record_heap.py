"""Record what five programs ask of malloc, and write data/heap-<program>.npz. Run by hand; the book reads the files.

usage: python data/record_heap.py [FOLDER]     needs Linux with glibc, gcc, perl, sqlite3, git and CPython 3.11

The programs' inputs are made here or lie in this repository. One file holds `events`, an int32 array in the order of
time: n >= 0 is malloc(n), and -k frees the object that was allocated k mallocs ago (-1: the newest). A calloc is a
malloc; a realloc is a malloc of the new size, then a free of the old object; an alignment is dropped. A free of what
the trace does not know (none, in these files) is left out. `about` says command and version.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

HERE = Path(__file__).resolve().parent
COMMIT = "a3f802e"  # the history that git shows

JSON_PROGRAM = """
import json
text = open("topics.json").read()
words = {name: body.split() for name, body in json.loads(text).items()}
back = json.loads(json.dumps(words))
assert back == words
"""
PERL_PROGRAM = r"""
my (%lines, %follows); my ($n, $last) = (0, '');
open my $in, '<', 'topics.txt' or die;
while (my $line = <$in>) {
    $n++;
    while ($line =~ /([A-Za-z_]{3,})/g) { push @{$lines{lc $1}}, $n; $follows{$last}{lc $1}++; $last = lc $1; }
}
my @report = map { "$_: " . join(',', @{$lines{$_}}) } sort keys %lines;
delete $follows{$_} for grep { keys %{$follows{$_}} < 3 } keys %follows;
print scalar(@report), " ", length(join "\n", @report), "\n";
"""


def c_program(functions):
    """Return a C file with that many small functions, no two alike."""
    parts = ["struct node { int key; double weight; struct node *next; };"]
    for i in range(functions):
        parts.append(
            f"""int f{i}(struct node *p, int n) {{
  int total = {i}; char *name = "node {i}";
  for (int j = 0; j < n; j++) {{
    if (p->key % {i + 2} == j) total += p->key * {i + 1}; else total ^= name[j % {i % 5 + 4}];
    switch (total & {i % 7 + 1}) {{ case 0: p = p->next; break; case 1: p->weight *= {i}.5; break; default: total -= j; }}
  }}
  return total{f" + f{i // 2}(p, n - 1)" if i else ""};
}}"""
        )
    return "\n".join(parts)


def sql_script(rows):
    """Return a script that fills, indexes, joins, thins and groups two tables."""
    return f"""
create table item(id integer primary key, name text, price real);
create table sale(id integer primary key, item integer, amount integer, note text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
  insert into item select i, 'item ' || (i * 7919 % 10007), (i * 31 % 997) / 10.0 from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < {4 * rows})
  insert into sale select i, i * i % {rows} + 1, i % 13, substr('abcdefghijklmnopqrstuvwxyz', 1, i % 26) from n;
create index by_name on item(name);
create index by_item on sale(item, amount);
select count(*), sum(price * amount) from item join sale on sale.item = item.id where name like 'item 1%';
delete from sale where id % 3 = 0;
update item set name = name || ' (' || (select count(*) from sale where item = item.id) || ')' where id % 2;
select count(*) from (select note, group_concat(amount) from sale group by note, item);
drop index by_item;
vacuum;
"""


def programs(folder):
    """Write the inputs into the folder and yield (name, command, standard input, environment, command that names the version)."""
    (folder / "many.c").write_text(c_program(17))
    (folder / "topics.json").write_text(json.dumps(dict(list(topics.items())[::4])))
    (folder / "topics.txt").write_text("\n".join(topics.values())[:190_000])
    (folder / "count.pl").write_text(PERL_PROGRAM)
    (folder / "words.py").write_text(JSON_PROGRAM)
    (folder / "keep.gitconfig").write_text("")
    cc1 = subprocess.check_output(
        ["gcc", "-print-prog-name=cc1"], text=True, cwd=folder
    )
    yield (
        "gcc",
        [cc1.strip(), "-quiet", "-O1", "many.c", "-o", "many.s"],
        "",
        {},
        ["gcc", "--version"],
    )
    yield (
        "sqlite",
        ["sqlite3", ":memory:"],
        sql_script(4500),
        {},
        ["sqlite3", "-version"],
    )
    yield (
        "json",
        [os.path.realpath(sys.executable), "-s", "-S", "words.py"],
        "",
        {"PYTHONMALLOC": "malloc"},
        [sys.executable, "--version"],
    )
    yield "perl", ["perl", "count.pl"], "", {"PERL_HASH_SEED": "0"}, ["perl", "-v"]
    log = ["git", "-C", str(HERE.parent), "log", "-p", COMMIT]
    log[4:4] = ["--word-diff", "--color-moved=zebra"]
    yield "git", log, "", {"GIT_CONFIG_GLOBAL": os.devnull}, ["git", "--version"]


def events_of(path):
    """Return the coded events of one recorded file, and the number of frees of unknown addresses."""
    born, coded, clock, unknown = {}, [], 0, 0
    for old, new, size, _ in np.fromfile(path, dtype="<u8").reshape(-1, 4).tolist():
        age = born.pop(old, None) if old else None
        if new:
            assert new not in born, "an address handed out twice"
            born[new], clock = clock, clock + 1
            coded.append(size)
        if age is not None:
            coded.append(age - clock)
        elif old:
            unknown += 1
    return np.array(coded, dtype=np.int32), unknown


def record(shim, folder, command, stdin, environment):
    """Run a program under the shim; return the events of its largest process."""
    traces = folder / "traces"
    traces.mkdir()
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    clean |= {"LD_PRELOAD": str(shim), "HEAP_TRACE": str(traces / "t")} | environment
    subprocess.run(
        command,
        input=stdin,
        text=True,
        cwd=folder,
        env=clean,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    largest = max(traces.iterdir(), key=lambda p: p.stat().st_size)
    result = events_of(largest)
    for path in traces.iterdir():
        path.unlink()
    traces.rmdir()
    return result


def main(out):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shim = folder / "heap_shim.so"
        source = HERE / "heap_shim.c"
        flags = ["-O2", "-Wall", "-shared", "-fPIC", "-lpthread"]
        subprocess.run(["gcc", "-o", shim, source, *flags], check=True)
        for name, command, stdin, environment, version in programs(folder):
            events, unknown = record(shim, folder, command, stdin, environment)
            said = subprocess.check_output(version, text=True).strip().splitlines()[0]
            shown = " ".join(Path(c).name if c.startswith("/") else c for c in command)
            shown = shown.replace(f"-C {HERE.parent.name} ", "")
            about = {
                "program": name,
                "command": shown,
                "version": said,
                "libc": " ".join(platform.libc_ver()),
                "unknown_frees": unknown,
            }
            path = out / f"heap-{name}.npz"
            np.savez_compressed(path, events=events, about=json.dumps(about))
            mallocs = int((events >= 0).sum())
            print(
                f"{path.name:16} {len(events):7,} events, {mallocs:7,} mallocs, {unknown} unknown frees, "
                f"{path.stat().st_size / 1000:.0f} kB  {said}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
