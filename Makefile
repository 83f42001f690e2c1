# Two commands do everything on a fresh machine: `make book` and `make test`.
SHELL := bash
PY := .venv/bin/python
GUARD := $(PY) make/guard.py
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1

.PHONY: book test serve chapter audit audit-checks elsewhere stale pdf format lock clean help

book: .venv/installed          ## run the chapters that changed, build the site, say where it is
	@$(GUARD) $(PY) make/book.py

test: book .venv/testing       ## the book, then every test
	@$(GUARD) $(PY) -m pytest tests -n 2 --dist worksteal

serve:                         ## show the built book at http://127.0.0.1:8000
	@$(PY) -m http.server --bind 127.0.0.1 --directory _build/html 8000

chapter: .venv/installed       ## one chapter alone: make chapter C=chapters/NAME.ipynb
	@test -n "$(C)" || { echo "say which: make chapter C=chapters/NAME.ipynb"; exit 2; }
	@$(GUARD) $(PY) make/book.py "$(C)"

audit: .venv/testing           ## what each page weighs and how long each chapter ran
	@$(PY) tests/audit.py

elsewhere: .venv/installed     ## the chapters under other processors' arithmetic and beside busy neighbours
	@$(GUARD) $(PY) tests/elsewhere.py $(C)

audit-checks: .venv/testing    ## which changes to a chapter's program no check notices; other seeds; other arithmetic
	@for what in breaks seeds kinds; do $(GUARD) $(PY) tests/audit_checks.py $$what $(C) || exit 1; done

format: .venv/testing          ## notebooks without outputs, in canonical form; code by ruff
	@$(PY) tests/notebook_form.py
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

pdf: .venv/testing             ## print the built book and each chapter, in _build/html/pdf; needs Chromium
	@$(PY) make/pdf.py

stale:                         ## what of the Chinese edition waits to be translated
	@python3 make/edition.py

lock:                          ## write constraints.txt: one lock for all Pythons and systems
	@bash make/install.sh lock

.venv/installed: requirements.txt constraints.txt
	@bash make/install.sh requirements.txt $@

.venv/testing: tests/requirements.txt .venv/installed
	@bash make/install.sh tests/requirements.txt $@

clean:                         ## remove what was built; the installed packages stay
	rm -rf _build

help:                          ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20
