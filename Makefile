# Two commands for a newcomer: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO_DATA ?= demo-data
# What the tests need besides Python and Node: the foreign camera, the judge of files, a database server, a browser.
DEBIAN_PACKAGES := ffmpeg gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
	gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly chromium postgresql fonts-dejavu-core

.PHONY: help setup demo test test-fast bench lint format lock clean debian
help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.done src/vonggac/web/static/.done  ## .venv with the vonggac command in it, and the pages' bundle

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Vọng Gác needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment. On Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.done: $(VENV)/bin/python requirements.txt pyproject.toml
	$(PIP) install --quiet --require-hashes -r requirements.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.done-dev: $(VENV)/.done requirements-dev.txt
	$(PIP) install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

CATALOGS := $(wildcard src/vonggac/translations/*/LC_MESSAGES/*.po)
UI := $(shell find src/vonggac/web/ui -type f)

node_modules/.done: package.json package-lock.json .npmrc
	@command -v npm >/dev/null || { echo "The pages are built with Node.js 18 or newer and npm. On Debian: apt-get install nodejs npm"; exit 1; }
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

src/vonggac/web/static/.done: $(VENV)/.done node_modules/.done $(UI) $(CATALOGS)
	$(BIN)/python -m vonggac.core.i18n compile
	@rm -rf src/vonggac/web/static/dist
	npm run --silent build
	@touch $@

demo: setup  ## a simulated district of 102 cameras and the centre that records it
	$(BIN)/vonggac demo --data $(DEMO_DATA)

debian:
	@sh tests/debian-packages.sh $(DEBIAN_PACKAGES)

lint: $(VENV)/.done-dev node_modules/.done  ## format, lint, types, layers
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm run --silent check

test: debian setup $(VENV)/.done-dev lint  ## everything
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: setup $(VENV)/.done-dev  ## what daily work needs, under a minute
	$(BIN)/python -m pytest -m "not slow" -n 2

bench: debian setup $(VENV)/.done-dev  ## docs/benchmarks.md, measured on this machine
	$(BIN)/python -m bench

format: $(VENV)/.done-dev
	$(BIN)/ruff format src tests bench
	$(BIN)/ruff check --fix src tests bench

lock:  ## new versions into the locked requirements (needs uv)
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --extra build pyproject.toml -o requirements.txt
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --extra build --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean:
	rm -rf $(VENV) node_modules src/vonggac/web/static/.done build src/*.egg-info
