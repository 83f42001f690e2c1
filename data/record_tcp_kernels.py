"""Put the questions of `record_tcp.py` to other kernels, each in a small machine of its own.

    python3 data/record_tcp_kernels.py KERNEL...

KERNEL is a Debian package (linux-image-VERSION-cloud-amd64_….deb; where the image and its modules are two packages,
both, with a comma between them) or a kernel image with TUN built in. Each is booted in QEMU, without KVM, with an
initial file system that holds Python, `ip` and this folder's two recorders; the first process in it is this file.
Needs qemu-system-x86, cpio and iproute2, and neither root nor a disk nor a network.
Writes tcp-kernels.json: what each kernel calls itself and all its answers, in the order in which tcp-verdicts.json
has the questions; kernels that are there and not named stay. One or two minutes a kernel.

An image of one's own: `make tinyconfig`, then CONFIG_ 64BIT, PRINTK, TTY, SERIAL_8250, SERIAL_8250_CONSOLE, PCI, ACPI,
BLK_DEV_INITRD, RD_GZIP, BINFMT_ELF, BINFMT_SCRIPT, PROC_FS, PROC_SYSCTL, SYSFS, DEVTMPFS, SHMEM, TMPFS, MULTIUSER,
FUTEX, EPOLL, SIGNALFD, TIMERFD, EVENTFD, AIO, ADVISE_SYSCALLS, HIGH_RES_TIMERS, NET, UNIX, INET, NETDEVICES, NET_CORE
and TUN; the rest as `make oldconfig` proposes.
"""

import ctypes
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
INIT = "#!{python} -B\nimport sys\nsys.path[:0] = ['/recorder']\nimport record_tcp_kernels\nrecord_tcp_kernels.first_process()\n"


def unpack(packages, folder):
    """Return the kernel image in Debian packages, and its TUN module's bytes; or a bare image and None."""
    if not packages.endswith(".deb"):
        return Path(packages), None
    for package in packages.split(","):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    (image,) = folder.rglob("vmlinuz*")
    (module,) = folder.rglob("tun.ko*")
    code = module.read_bytes()
    return image, lzma.decompress(code) if module.suffix == ".xz" else code


def libraries(*programs):
    """Return the shared libraries that programs need, the loader included, as `ldd` says."""
    found = set()
    for program in programs:
        told = subprocess.run(["ldd", program], capture_output=True, text=True)
        found |= {word for word in told.stdout.split() if word.startswith("/")}
    return found


def file_system(module, folder):
    """Write the machine's initial file system, as the kernel wants it: a cpio archive."""
    root, out = folder / "root", folder / "initrd"
    python = os.path.realpath(sys.executable)
    stdlib = Path(sysconfig.get_path("stdlib"))
    ip = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")
    leave = shutil.ignore_patterns("test", "__pycache__", "*-packages", "config-*")
    shutil.copytree(stdlib, root / str(stdlib)[1:], ignore=leave)
    for path in {python, ip} | libraries(
        python, ip, *(stdlib / "lib-dynload").glob("*.so")
    ):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path[1:])
    for name in ("recorder", "proc", "sys", "dev/net"):
        (root / name).mkdir(parents=True)
    for name in ("record_tcp.py", "record_tcp_kernels.py"):
        shutil.copy(HERE / name, root / "recorder")
    if module:
        (root / "tun.ko").write_bytes(module)
    (root / "init").write_text(INIT.format(python=python))
    (root / "init").chmod(0o755)
    names = "\n".join(str(p.relative_to(root)) for p in [root, *root.rglob("*")])
    with out.open("wb") as archive:
        subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"],
            input=names.encode(), stdout=archive, cwd=root, check=True,
        )  # fmt: skip
    return out


def first_process():
    """Be the first process of the machine: get ready, record, write the answers to the second serial port."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
        if libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None):
            raise OSError(ctypes.get_errno(), f"mount {place}")
    try:
        os.environ["PATH"] = "/usr/sbin:/sbin:/usr/bin:/bin"
        if Path("/tun.ko").exists():
            with open("/tun.ko", "rb") as module:
                if libc.syscall(313, module.fileno(), b"", 0):  # finit_module
                    raise OSError(ctypes.get_errno(), "finit_module")
        import record_tcp

        uname = " ".join(os.uname())
        found = record_tcp.ask(record_tcp.open_wire(alone=True), uname)
        with open("/dev/ttyS1", "w") as line:
            line.write(json.dumps(found) + "\n")
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        libc.sync()
        libc.syscall(169, 0xFEE1DEAD, 0x28121969, 0x01234567, 0)  # reboot: QEMU ends


def boot(packages):
    """Return what one kernel answered."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image, module = unpack(packages, folder / "package")
        answers = folder / "answers"
        subprocess.run(
            ["qemu-system-x86_64", "-m", "768", "-no-reboot", "-display", "none",
             "-accel", "tcg", "-cpu", "max",
             "-kernel", image, "-initrd", file_system(module, folder), "-nic", "none",
             "-serial", "stdio", "-serial", f"file:{answers}",
             "-append", "console=ttyS0 panic=-1 PYTHONHASHSEED=0"],  # before it has random numbers
            check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return json.loads(answers.read_text())


def questions(found):
    """Return what was asked in a record, so that two can be compared."""
    fins = {name: scene["steps"] for name, scene in found["fins"].items()}
    asked = [found["spans"], found["longer"], found["sacks"], fins]
    asked[1:3] = [case for case, _ in asked[1]], [scene[:2] for scene in asked[2]]
    return json.dumps(asked)


def kept(found):
    """Return the kernel's name, and its answers without the questions, which are those of tcp-verdicts.json."""
    first = json.loads((HERE / "tcp-verdicts.json").read_text())
    if questions(found) != questions(first):
        raise ValueError("the questions are not those of tcp-verdicts.json")
    uname = found["kernel"]
    version = re.search(r"Debian (\d+\.\d+\.\d+)", uname) or re.search(
        r"(\d+\.\d+\.\d+)", uname
    )
    parts = (
        "pairs",
        "triples",
        "wrapped_pairs",
        "counters_of_pairs_and_triples",
        "window_edge",
    )
    return f"Linux {version[1]}", {
        "uname": uname,
        **{part: found[part] for part in parts},
        "longer": " ".join(said for _, said in found["longer"]),
        "sacks": [answers for *_, answers in found["sacks"]],
        "fins": {
            name: [s["acks"], s["reads"], s["more"]]
            for name, s in found["fins"].items()
        },
    }


def main(kernels):
    from record_tcp import as_json

    path = HERE / "tcp-kernels.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known |= dict(kept(boot(packages)) for packages in kernels)
    order = sorted(known, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
    path.write_text(as_json({name: known[name] for name in order}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
