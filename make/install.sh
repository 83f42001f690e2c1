#!/usr/bin/env bash
# install.sh REQUIREMENTS MARKER   install the locked packages into .venv, which is made, by the newest Python found, where there is none
# install.sh lock                  write constraints.txt from the requirements: one lock for all Pythons and systems
set -euo pipefail
cd "$(dirname "$0")/.."
needs_kb=$((5 * 1024 * 1024))

fits='import ensurepip, venv, sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 15) and sys.maxsize > 2**32))'
find_python() {
  for python in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
    if "$python" -c "$fits" 2>/dev/null; then echo "$python"; return; fi
  done
  if ! command -v "${PYTHON:-python3}" >/dev/null; then say="there is no python3 here"
  elif ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then say="its venv module is missing (on Debian: apt install python3-venv)"
  else say="the one here is $("${PYTHON:-python3}" -c 'import struct, sys; print(sys.version.split()[0], 8 * struct.calcsize("P"), "bit")')"; fi
  echo "The book needs Python 3.11, 3.12, 3.13 or 3.14, 64 bit: $say. PYTHON=/path/to/python names another." >&2
  exit 1
}

if [ "$1" = lock ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  "$(find_python)" -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check uv
  grep -hv '^-' requirements.txt tests/requirements.txt > "$folder/all.txt"
  cp constraints.txt "$folder/lock.txt"  # what is locked stays, unless it must change
  # 3.11.2 is Debian 12's.
  "$folder/venv/bin/uv" pip compile --quiet --universal --python-version 3.11.2 --no-header --no-annotate "$folder/all.txt" -o "$folder/lock.txt"
  sort -f "$folder/lock.txt" > constraints.txt
  exit
fi

requirements=$1 marker=$2
# One install at a time, and one that was killed is not built upon: without its marker a .venv is made anew.
mkdir -p _build 2>/dev/null || { echo "This folder cannot be written: copy the book to one of your own." >&2; exit 1; }
if command -v flock >/dev/null && [ -z "${RIDGE_INSTALL:-}" ]; then
  RIDGE_INSTALL=1 exec flock _build/install.lock bash make/install.sh "$@"
fi
if [ "$marker" -nt "$requirements" ] && [ "$marker" -nt constraints.txt ]; then exit; fi  # another make did it meanwhile
if [ ! -e .venv/installed ]; then
  python=$(find_python)
  free=$(df -Pk . | awk 'END {print $4}')
  if [ "$free" -lt "$needs_kb" ]; then
    echo "The packages need $((needs_kb / 1024 / 1024)) GB of disk; $((free / 1024 / 1024)) GB are free here." >&2; exit 1
  fi
  echo "install: packages for $("$python" --version) into .venv"
  rm -rf .venv
  "$python" -m venv .venv
fi
rm -f .venv/installed .venv/testing
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
if [ "$(uname -s)" = Linux ]; then
  # PyTorch's own index has the CPU build, which the ordinary index lacks. Where it cannot be reached, the ordinary one serves.
  torch=$(grep -o '^torch==[^ ]*' requirements.txt)
  "${pip[@]}" install --no-deps --retries 0 --timeout 10 --index-url https://download.pytorch.org/whl/cpu "$torch" 2>/dev/null ||
    echo "install: PyTorch's index cannot be reached; its CUDA build of several GB comes instead"
fi
"${pip[@]}" install -r "$requirements"
touch .venv/installed "$marker"
