# make demo   everything from nothing to predictions of a (virtual) board
# make test   the test suite
# make lint   formatting, types, import layers
# make docs   the documentation site, into build/site
# make dev    the virtual environment with all extras but TensorFlow's
# make train-deps   TensorFlow as well

VENV ?= .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.vww-deploy

.PHONY: demo test lint docs dev train-deps clean

demo: $(STAMP)-demo
	@$(VENV)/bin/vww-deploy demo

test: $(STAMP)-test
	@$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(STAMP)-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	@# The package alone: tests of terminals, signals and sockets are those of Unix.
	for system in darwin win32; do $(VENV)/bin/mypy -p vww_deploy --platform $$system --cache-dir .mypy_cache/$$system || exit 1; done
	$(VENV)/bin/lint-imports
	git ls-files 'firmware/*.h' 'firmware/*.cpp' | xargs $(VENV)/bin/clang-format --dry-run -Werror

dev: $(STAMP)-dev

docs: $(STAMP)-dev
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet

train-deps: $(STAMP)-dev
	$(PYTHON) -m pip install --quiet --editable '.[dev,train]'

# The stamp names the extra that is installed; it is older than pyproject.toml when a dependency may have changed.
$(STAMP)-%: pyproject.toml scripts/setup
	@scripts/setup '$(VENV)' '$*'
	@touch '$@'

clean:
	rm -rf '$(VENV)' work build dist
