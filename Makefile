# `make demo` and `make test` are all that a fresh machine needs: Python 3.11, pip and make.
# pip shows its progress, since torch alone takes minutes on a slow line.
PYTHON ?= python3
ARTICLES ?= pydoc-topics
INDEX ?= var/demo
HOST ?= 127.0.0.1
PORT ?= 8000

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PROGRAMS := $(VENV)/.programs
INSTALL := $(PYTHON) -m pip --python $(BIN)/python install --constraint constraints.txt --editable
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
APT := $(SUDO) apt-get update -qq && $(SUDO) apt-get install -qq --no-install-recommends
# Debian starts nginx with the machine; the tests start their own.
NOT_SERVING := { [ ! -d /run/systemd/system ] || $(SUDO) systemctl disable --quiet --now nginx; }
FOLDERS := recommender index service scripts tests

.DEFAULT_GOAL := help
.PHONY: install programs check test cluster fix demo build serve bench reference pictures help

install: $(INSTALLED)  ## make .venv with everything, from pinned versions

# pip installs from outside the environment, so that a Python without ensurepip will do.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear --without-pip $(VENV)
	$(INSTALL) '.[dev]'
	@touch $@ $(PROGRAMS)

# What a build and a service need, into an environment that is there or a new one.
$(PROGRAMS): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	$(INSTALL) '.[build,serve]'
	@touch $@

programs:  ## install programs of Debian that tests need: Chromium for pages, curl for the tutorial, nginx for the site in front
	@command -v chromium > /dev/null && command -v curl > /dev/null || { $(APT) chromium curl > /dev/null; }
	@PATH=$$PATH:/usr/sbin; command -v nginx > /dev/null || { $(APT) nginx > /dev/null && $(NOT_SERVING); }

check: install  ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

# Two processes side by side, of one thread each; an idle one takes over half of what the other has left.
test: install programs  ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

cluster: install  ## install a Milvus server and Ray, and run the tests that need them
	$(INSTALL) '.[milvus-server,ray]'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "cluster and not long"

fix: install  ## format, and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: build  ## build an index of the help topics inside Python (or ARTICLES=archive.jsonl) and serve it
	@$(MAKE) --no-print-directory serve

build: $(PROGRAMS)  ## build an index: ARTICLES=archive.jsonl INDEX=var/index
	$(BIN)/readmore build $(ARTICLES) --out $(INDEX) --delete-missing

serve: $(PROGRAMS)  ## serve an index: INDEX=var/index HOST=127.0.0.1 PORT=8000
	@$(BIN)/readmore serve --index $(INDEX) --host $(HOST) --port $(PORT)

bench: install  ## time a build and the answers: ARTICLES=archive.jsonl
	$(BIN)/python scripts/benchmarks/build_time.py $(ARTICLES)

reference: install  ## write docs/cli.md from the options of the commands
	$(BIN)/python scripts/reference.py

pictures: install programs  ## take the pictures of docs/
	$(BIN)/readmore build pydoc-topics --out var/demo --delete-missing
	$(BIN)/readmore build examples/wordpress.xml --out var/gazette --delete-missing
	$(BIN)/python scripts/pictures.py --topics var/demo --gazette var/gazette --out docs

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'
