# Everyday verbs. `make check` is what CI runs.
PY := .venv/bin/python

.PHONY: setup check test lint format types layers wheel scan bench bench-cel bench-join bench-scan bench-peers

setup:        ## a virtual environment with everything
	python3 -m venv .venv && .venv/bin/pip install --quiet -e '.[dev]'
	$(PY) -m compileall -q kpolicy
check:        ## all that CI runs
	bash .ci/run
test:         ## the test suite
	$(PY) -m pytest -q -n auto
lint:         ## ruff, without changing anything
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
format:       ## ruff, mending what it can
	.venv/bin/ruff check --fix . ; .venv/bin/ruff format .
types:        ## mypy, strict
	.venv/bin/mypy
layers:       ## the dependency direction
	.venv/bin/lint-imports
wheel:        ## build, install elsewhere, scan
	bash .ci/smoke-wheel
scan:         ## the main job on the bundled examples
	.venv/bin/kpolicy scan examples/
bench:        ## everything, into benchmarks/RESULTS.md and the plots (SIZES=1,1000 for less)
	$(PY) benchmarks/results.py $(if $(SIZES),--sizes $(SIZES))
bench-cel:    ## the language against hand-written Python and its peers
	$(PY) benchmarks/cel.py
bench-join:   ## relation indexes from 1k to 100k resources
	$(PY) benchmarks/join.py
bench-scan:   ## whole scans of generated manifests
	$(PY) benchmarks/scan.py
bench-peers:  ## beside the linters on PATH
	$(PY) benchmarks/peers.py
