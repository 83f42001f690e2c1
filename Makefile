# Two commands do everything on a fresh machine: `make book` and `make test`.
SHELL := bash
PYTHON ?= python3
PY := .venv/bin/python
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1

.PHONY: book test serve chapter audit format lock clean

book: run                      ## execute what changed, build the site, say where it is
	@$(MAKE) --no-print-directory _build/html/.built
	@echo "The book: $(CURDIR)/_build/html/index.html   (make serve shows it on this machine)"

# A build that failed is taken away whole: Sphinx would not warn again of a page that it has already read.
_build/html/.built: $(wildcard chapters/*.* data/*.* _static/*.* _build/executed/*.ipynb) _config.yml _toc.yml _build/frame
	.venv/bin/jupyter-book build --quiet -W -n --keep-going . || { rm -rf _build/html _build/.doctrees; exit 1; }
	@touch $@

# Pages that another frame, style sheet or list of names built are not mixed with those of this one.
_build/frame: $(wildcard _ext/ridge/*.py _static/*) data/names.yml constraints.txt
	@rm -rf _build/html _build/.doctrees && mkdir -p _build && touch $@

test: book                     ## every chapter under nbmake, the site, and the tests that a notebook cannot hold
	$(PY) -m pytest tests -n 2 --dist worksteal

run: .venv/installed
	$(PY) _ext/ridge/execution.py
.PHONY: run

serve:                         ## show the built book on loopback
	$(PY) -m http.server --bind 127.0.0.1 --directory _build/html 8000

chapter: .venv/installed       ## one chapter alone: make chapter C=chapters/loss-many-faces.ipynb
	@test -n "$(C)" || { echo "say which: make chapter C=chapters/NAME.ipynb"; exit 2; }
	$(PY) _ext/ridge/execution.py $(C)
	BOOK_ONLY=$(C) .venv/bin/jupyter-book build --quiet --path-output _build/alone . 2>/dev/null
	@echo "The page: $(CURDIR)/_build/alone/_build/html/$(C:.ipynb=.html)"

audit: .venv/installed         ## what each page weighs and how long each chapter ran
	$(PY) tests/audit.py

format: .venv/installed        ## notebooks without outputs, in canonical form; code by ruff
	$(PY) tests/notebook_form.py
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lock: .venv/installed          ## write constraints.txt from what is installed now
	$(PY) -m pip freeze | sed "s/^torch==.*/torch==2.13.0/" | sort -f > constraints.txt

.venv/installed: requirements.txt constraints.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

clean:
	rm -rf _build .run
