# Everyday commands, one word each.  Each sets up what it needs in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# Versions of ipykernel that the magics are tested on.
KERNELS := 6.31 7.3 latest

# Jobs, faults and database of `make chaos`; CHAOS_SEED=… replays the faults of an earlier run.
CHAOS_JOBS ?= 5000
CHAOS_FAULTS ?= 150
CHAOS_DATABASE ?= sqlite

.PHONY: demo test suite tutorials chaos soak kernels lint format bench lab notebooks binder screenshots clean

demo: $(VENV)/ready
	$(BIN)/node3nb demo test_jobs

test: suite tutorials

suite: $(VENV)/ready
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --durations 10 tests

tutorials: $(VENV)/ready
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --nbval --nbval-current-env --nbval-cell-timeout 120 notebooks

# A longer run of what the test of the same name does; needs root.
chaos: $(VENV)/ready
	cd tests && ../$(BIN)/python -m chaos.run --limit-s 3600 --jobs $(CHAOS_JOBS) --faults $(CHAOS_FAULTS) \
		$(if $(CHAOS_SEED),--seed $(CHAOS_SEED)) --database $(CHAOS_DATABASE)

# Ten thousand jobs through one provider and one marketplace: a table, and whether anything grows.
soak: $(VENV)/ready
	cd tests && ../$(BIN)/python -m chaos.soak

kernels: $(KERNELS:%=.kernels/%/ready)

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/ready
	$(BIN)/python bench/table.py

lab: $(VENV)/ready
	$(BIN)/pip install --quiet jupyterlab
	$(BIN)/jupyter lab notebooks

# Runs the tutorials and writes their outputs back.
notebooks: $(VENV)/ready
	$(BIN)/python notebooks/regenerate.py

# Does what Binder would, in its 1 GB; needs root.
binder: $(VENV)/ready
	$(BIN)/python binder/rehearse.py

# Takes the README's pictures of the dashboard; needs Chromium.
screenshots: $(VENV)/ready
	$(BIN)/python docs/screenshots.py

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test,browser,lint]'
	touch $@

# One ipykernel each, with what it needs; everything else it finds in .venv, ours included.
.kernels/%/ready: $(VENV)/ready
	$(BIN)/python -m venv --clear --without-pip .kernels/$*
	$(BIN)/pip --python .kernels/$*/bin/python install --quiet 'ipykernel$(if $(filter latest,$*),,==$*.*)'
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> $$(.kernels/$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/node3nb-under-test.pth
	touch $@

clean:
	rm -rf $(VENV) .kernels build dist
