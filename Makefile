# make run    the app on http://127.0.0.1:8501 (PORT=... for another port)
# make test   everything: lint, types, unit, page and browser tests, and known holes in what is installed
# make bench  the benchmarks of the screen: beside the training, and under the temperature handle (some ten minutes)
# make readme the generated parts of README.md and its screenshots

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
# node of the virtual environment, for the checks of the browser code; the app itself needs none
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --silent

.PHONY: run test lint unit browser audit bench readme

run: .venv/installed-app
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: lint unit browser audit

lint: .venv/installed-dev node_modules/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(NPM) run lint
	$(NPM) run types

# Two at a time; helpers of torch that wait must not keep the other's core busy.
unit: .venv/installed-dev node_modules/installed
	OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest --ignore tests/browser -n 2 --dist worksteal
	$(NPM) test

# Two files at a time, each with servers of its own; then, with the machine to itself, the one that counts seconds.
browser: .venv/installed-browser
	$(BIN)/pytest tests/browser --ignore tests/browser/test_first_ten_seconds.py -n 2 --dist loadfile
	$(BIN)/pytest tests/browser/test_first_ten_seconds.py

# Says so, and goes on, where the index of known holes cannot be reached.
audit: .venv/installed-dev
	$(BIN)/python -m tests.audit

bench: .venv/installed-browser
	$(BIN)/python -m tests.bench.screen
	$(BIN)/python -m tests.bench.temperature

readme: .venv/installed-browser
	$(BIN)/python -m tests.readme
	$(BIN)/pytest tests/browser/test_first_ten_seconds.py tests/browser/test_temperature.py -k "seconds or screen"
	mkdir -p docs && cp .shots/start-light.png .shots/distill-dark.png docs/
	cp .shots/temperature-light-1280-top.png docs/temperature-light.png

# The marker files make a second call install nothing.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Distillery needs Python 3.11 or newer: make PYTHON=python3.12 run") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/installed-app: .venv/bin/python requirements.txt
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/installed-dev: .venv/installed-app requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

node_modules/installed: .venv/installed-dev package.json package-lock.json
	$(NPM) ci
	touch $@

.venv/installed-browser: .venv/installed-dev tests/browser/chromium.py
	$(BIN)/python -m tests.browser.chromium
	touch $@
