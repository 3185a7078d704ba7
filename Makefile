# make run    the app on http://127.0.0.1:8501 (PORT=... for another port)
# make check  lint, types and the quick tests, about three minutes on two cores
# make test   everything: check, slow and browser tests, and known vulnerabilities of what is installed
# make docs   the generated pages of docs/; make results and make screenshots what is trained and photographed
# make lowest the tests but those in a browser with the lowest versions that requirements.txt allows, in .venv-lowest
# make cluster the tests of runs on a Ray cluster, with Ray in .venv-cluster
# make bench  the benchmarks of the screen, some ten minutes

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
# node of the virtual environment, for the checks of the browser code; the app itself needs none
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --silent
# Two at a time, each with one thread: tensors of tests are small, and threads that wait for others cost a tenth more.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest

.PHONY: run check quick test lint style types unit browser audit docs results screenshots bench lowest cluster

run: .venv/installed-app
	$(BIN)/streamlit run app.py --server.port $(PORT)

# Style and types beside the tests, which now and then leave a core idle.
check: .venv/installed-dev node_modules/installed
	$(MAKE) --no-print-directory --jobs 3 style types quick

quick:
	$(NPM) test
	$(PYTEST) --ignore tests/browser -m "not slow" -n 2 --dist worksteal

test: lint unit browser audit

# Types beside everything else, on the second core.
lint: .venv/installed-dev node_modules/installed
	$(MAKE) --no-print-directory --jobs 2 style types

types:
	$(BIN)/mypy
	$(NPM) run types

style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.prose
	$(BIN)/python -m tools.docs --check
	$(NPM) run lint

unit: .venv/installed-dev node_modules/installed
	$(NPM) test
	$(PYTEST) --ignore tests/browser -n 2 --dist worksteal

# Three at a time, with servers of their own, since these tests often wait; then, with the machine to itself, the
# one that counts seconds.
browser: .venv/installed-browser
	$(PYTEST) tests/browser --ignore tests/browser/test_first_ten_seconds.py -n 3 --dist worksteal
	$(BIN)/pytest tests/browser/test_first_ten_seconds.py

# Says so, and goes on, where the index of known vulnerabilities cannot be reached.
audit: .venv/installed-dev
	$(BIN)/python -m tools.audit

docs: .venv/installed-dev
	$(BIN)/python -m tools.docs

results: .venv/installed-dev
	$(BIN)/python -m tools.results

screenshots: .venv/installed-browser
	$(BIN)/python -m tools.screenshots

bench: .venv/installed-browser
	$(BIN)/python -m benchmarks.screen
	$(BIN)/python -m benchmarks.temperature

lowest:
	$(PYTHON) -m venv .venv-lowest
	sed -nE 's/^([a-z-]+)>=([0-9.]+),.*/\1==\2/p' requirements.txt > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet -r .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet -r requirements-dev.txt -c .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --no-deps -e .
	OMP_WAIT_POLICY=PASSIVE .venv-lowest/bin/python -m pytest -m "not browser" -n 2 --dist worksteal

# Ray beside everything else, which the path file makes visible there.
cluster: .venv/installed-browser
	$(BIN)/python -m venv .venv-cluster
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > .venv-cluster/shared.pth
	cp .venv-cluster/shared.pth .venv-cluster/lib/python*/site-packages/
	.venv-cluster/bin/python -m pip install --quiet "ray[client]>=2.52,<3"
	.venv-cluster/bin/python -m pytest tests/runs/test_ray_cluster.py tests/browser/test_cluster.py

# The marker files make a second call install nothing.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Distillery needs Python 3.11 or newer: make PYTHON=python3.12 run") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/installed-app: .venv/bin/python requirements.txt pyproject.toml
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

.venv/installed-dev: .venv/installed-app requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

node_modules/installed: .venv/installed-dev package.json package-lock.json
	$(NPM) ci
	touch $@

.venv/installed-browser: .venv/installed-dev tools/chromium.py
	$(BIN)/python -m tools.chromium
	touch $@
