# Two commands on a fresh machine that has make and Python 3 with pip: `make run`, `make test`.
# Each first builds .venv from uv.lock, once; nothing is installed outside this folder.

.DEFAULT_GOAL := help
.PHONY: help setup run lab test test-all models bench store sync clean
.DELETE_ON_ERROR:

# Under it TensorFlow would compile itself anew at each import, 9 s for 3.
unexport PYTHONDONTWRITEBYTECODE
# Trust what the system and pip trust: behind a company's proxy uv's own list of certificates fails.
export UV_SYSTEM_CERTS ?= 1

PYTHON := .venv/bin/python
# A uv that works and is on the PATH serves; else one of our own, of the series that wrote uv.lock.
UV := $(shell uv --version > /dev/null 2>&1 && echo uv || echo .tools/bin/uv)
UV_RELEASE := uv>=0.13,<0.14

help:
	@echo 'make run        execute the course, notebook by notebook: build/, with the table of results at the end'
	@echo '                (make run FROM=07 continues from notebook 07)'
	@echo 'make lab        open copies of the notebooks in JupyterLab: work/'
	@echo 'make test       unit tests, then each notebook against its stored outputs'
	@echo 'make test-all   the same with more random examples, and what takes minutes, the network or a browser'
	@echo 'make models     train and convert the shipped models of data/models anew'
	@echo 'make bench      measure the published figures anew: benchmarks/results'
	@echo 'make store      execute notebooks and store their outputs in place (make store NAME="05 07": these)'
	@echo 'make sync       write what is derived: environment.yml, binder/, badges, the results table'
	@echo 'make setup      only build .venv, as each of the above does first'
	@echo 'make clean      remove build/ and caches; .venv, .tools and the data stay'

setup: .venv/.stamp

run: setup
	@.venv/bin/edgelab run $(if $(FROM),--from '$(FROM)')

lab: setup
	@.venv/bin/edgelab lab

test: setup
	@.venv/bin/edgelab test

# More random examples than `make test` tries, and what is slow.
test-all: export EDGELAB_EXAMPLES := many
test-all: setup
	@.venv/bin/edgelab test
	@$(PYTHON) -m pytest -n2 --dist=loadfile --no-loadscope-reorder -m slow tests

models: setup
	@$(PYTHON) benchmarks/make_models.py

bench: setup
	@.venv/bin/edgelab bench --all

store: setup
	@.venv/bin/edgelab store $(NAME)

sync: setup
	@.venv/bin/edgelab sync

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis notebooks/.ipynb_checkpoints
	find edgelab tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp holds this folder's path: a virtual environment does not survive being moved or copied.
ifneq ($(shell cat .venv/.stamp 2> /dev/null),$(CURDIR))
.PHONY: .venv/.stamp
endif

SETTINGS := binder/ipython_kernel_config.json binder/jupyterlab_overrides.json
.venv/.stamp: pyproject.toml uv.lock hatch_build.py $(SETTINGS) | $(filter .tools/bin/uv,$(UV))
	@echo 'Building .venv from uv.lock; about a minute and 2.5 GB, once ...'
	@[ ! -f $@ ] || [ "$$(cat $@)" = '$(CURDIR)' ] || rm -rf .venv
	@$(UV) sync --quiet --frozen --extra course --extra browser --compile-bytecode
	@echo '$(CURDIR)' > $@

# --target keeps clear of the system's Python, also where that is "externally managed" (PEP 668).
.tools/bin/uv:
	@command -v python3 > /dev/null 2>&1 || { \
	  echo 'python3 is not installed. On Debian or Ubuntu: sudo apt install python3 python3-pip'; \
	  echo 'On macOS: xcode-select --install. Or install uv, which needs no Python: see the README.'; exit 1; }
	@python3 -m pip --version > /dev/null 2>&1 || { \
	  echo 'python3 has no pip. On Debian or Ubuntu: sudo apt install python3-pip'; \
	  echo 'Elsewhere: python3 -m ensurepip --upgrade'; exit 1; }
	@PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
	  python3 -m pip install --quiet --upgrade --only-binary :all: --target .tools '$(UV_RELEASE)'
