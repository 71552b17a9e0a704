# `make run`, `make test`, `make docs` and, before a change goes in, `make check`. Each sets up all it needs in ./.venv.
.DELETE_ON_ERROR:
.PHONY: run test test-external check docs bench soak stress clean

# the newest Python >= 3.11 on the path; override with `make PYTHON=...`
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
    $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CONFIG ?= runs/freeze-in.toml
NAME := $(basename $(notdir $(CONFIG)))
OUT := out/$(NAME)
SOURCES := $(shell find spectra sterile -name '*.py')
# compiled programs are kept here, so that a second run does not compile again
export STERILE_CACHE_DIR := $(CURDIR)/.cache/sterile

run: $(OUT)/result.h5 $(OUT)/result.pdf $(OUT)/class/class.ini
	@echo "results in $(OUT): result.h5, result.pdf, result.png, class/class.ini, class/psd.dat"

$(OUT)/result.h5: $(CONFIG) $(SOURCES) | $(VENV)/.installed
	@mkdir -p $(OUT)
	$(BIN)/sterile solve $(CONFIG) -o $@

$(OUT)/result.pdf: $(OUT)/result.h5
	$(BIN)/sterile plot $< -o $(OUT)/result.png
	$(BIN)/sterile plot $< -o $@

$(OUT)/class/class.ini: $(OUT)/result.h5
	$(BIN)/sterile export $< --format class -o $(OUT)/class --force

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-external: $(VENV)/.installed-programs
	$(BIN)/python -m pytest -m "external or slow"

# the site, in out/docs: notebooks are executed (those that did not change are kept), warnings are errors
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -j 2 -q -b html -d .cache/docs docs out/docs
	@echo "the site is out/docs/index.html"

# what has to pass before a change goes in: style, types, tests, every code block and link, the site
check: $(VENV)/.installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(MAKE) test
	$(MAKE) docs

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 with venv found; install one or give PYTHON=/path/to/python" >&2; exit 2; }
	@echo "setting up $(VENV), a few minutes the first time"
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install --quiet -c constraints.txt -e '.[test]'
	@touch $@

$(VENV)/.installed-programs: $(VENV)/.installed-test
	$(PIP) install --quiet -c constraints.txt -e '.[programs]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install --quiet -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/.installed-check: $(VENV)/.installed-test
	$(PIP) install --quiet -c constraints.txt -e '.[check]'
	@touch $@

# what a user waits for, with an empty cache and with a full one
bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/startup.py

# whether memory stays flat in a process that computes for long: make soak MINUTES=5
MINUTES ?= 30
soak: $(VENV)/.installed-test
	$(BIN)/python benchmarks/soak.py $(MINUTES)

# ten thousand random points over everything, under an hour; killed, it goes on where it was
stress: $(VENV)/.installed-test
	@mkdir -p out
	$(BIN)/python benchmarks/stress.py out/stress

clean:
	rm -rf $(VENV) out .cache build *.egg-info
