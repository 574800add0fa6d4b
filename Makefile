# Two commands do everything: `make demo` and `make test`. Each sets itself up in .venv first.

# Debian's own interpreter where it will do: it takes a quarter less processor time than most builds (docs/decisions.md, 21).
PYTHON ?= $(shell for python in /usr/bin/python3 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	test $$(id -u) = 0 || $$python -c 'import ensurepip' 2>/dev/null || continue; \
	echo $$python; break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PIN := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --only-binary :all: \
	--emit-build-options --no-header --no-emit-index-url --quiet

# What a wheel holds, unpacked: the modules of hatch_build.py compiled. Programs run from there instead of from the clone.
COMPILED := build/compiled
RUN_COMPILED := PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/$(COMPILED)

# Beside the compiler, and alone: tests/forked.py.
FEW := --processes 2
MANY := --processes 6

# The container image, by docker, podman or buildah: deploy/image/build.sh has the variables that it takes.
IMAGE ?= bearer-gateway:$(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' gateway/__init__.py)

.PHONY: demo test test-source test-kubernetes check bench profile wheel image sbom chart docs site help format lock clean system
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.runtime  ## run an issuer, an echo API and the gateway between them
	@$(BIN)/python -m gateway demo

test: $(VENV)/.dev $(VENV)/.site system  ## every test; sets up what they need
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=recurse test-source $(COMPILED)/.done
	$(RUN_COMPILED) sh tests/twice.sh $(BIN)/pytest tests --ignore=tests/core --ignore=tests/kubernetes $(MANY) -o pythonpath='$(COMPILED) . tests tests/e2e deploy/image'

test-source: $(VENV)/.dev
	sh tests/twice.sh $(BIN)/pytest tests/core $(FEW) --cov=gateway.core --cov-branch --cov-report=
	$(BIN)/coverage report --skip-covered --fail-under=100
	sh tests/twice.sh $(BIN)/pytest tests/gate --ignore=tests/gate/test_policy_table.py tests/relay/test_transparency.py tests/e2e/test_demo.py $(FEW)

test-kubernetes: $(VENV)/.kubernetes  ## on a whole Kubernetes of real parts; root, Go and, the first time, half an hour
	@sh tests/kubernetes/system_packages.sh
	@PYTHONPATH=. $(BIN)/python tests/kubernetes/tools.py >/dev/null
	$(BIN)/python -m tests.kubernetes.run --durations=10

check: $(VENV)/.dev  ## ruff, mypy --strict, import contracts, layout
	$(BIN)/ruff format --check gateway tests deploy/image docs/site hatch_build.py
	$(BIN)/ruff check gateway tests deploy/image docs/site hatch_build.py
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_layout.py tests/test_rooms.py

bench: $(VENV)/.dev $(COMPILED)/.done  ## the gateway beside HAProxy and Envoy; QUICK=1: a look; BEFORE=DIR: beside that wheel; BENCH_RIVALS=DIR: Go peers too
	@sh tests/bench/system_packages.sh
	$(RUN_COMPILED) $(BIN)/python tests/bench $(if $(QUICK),--quick) $(if $(BEFORE),--before $(BEFORE) --rounds $(or $(ROUNDS),7) --seconds 2)

profile: $(VENV)/.dev $(if $(NATIVE),$(COMPILED)/.done)  ## a flame graph of the gateway under load: docs/profiling.md
	@sh tests/bench/system_packages.sh
	$(if $(NATIVE),$(RUN_COMPILED)) $(BIN)/python tests/bench --rows $(or $(ROW),hot) --profile $(or $(OUT),tests/artifacts/profile.svg) \
		$(if $(FOR),--seconds $(FOR)) $(if $(FORMAT),--format $(FORMAT)) $(if $(NATIVE),--native)

format: $(VENV)/.dev  ## let ruff write the code its way
	$(BIN)/ruff format gateway tests deploy/image docs/site hatch_build.py
	$(BIN)/ruff check --fix gateway tests deploy/image docs/site hatch_build.py

wheel: $(COMPILED)/.done  ## what to install elsewhere, in dist/
	@mkdir -p dist && cp build/*.whl dist/ && ls dist/*.whl

image:  ## the container image bearer-gateway:VERSION, or IMAGE=...; by docker, podman or buildah
	@sh deploy/image/build.sh '$(IMAGE)'

sbom: $(VENV)/.dev  ## what is in that image, as CycloneDX: build/image.cdx.json
	@mkdir -p build
	@sh deploy/image/save.sh '$(IMAGE)' build/image.tar
	@$(BIN)/python deploy/image/sbom.py build/image.tar build/image.cdx.json
	@rm build/image.tar

chart: $(VENV)/.dev  ## write the README of the chart from its values; needs Go
	cd helm/bearer-gateway && $$(PYTHONPATH=$(CURDIR) $(CURDIR)/$(BIN)/python $(CURDIR)/tests/kubernetes/tools.py helm-docs) \
		--sort-values-order file

docs: $(VENV)/.dev  ## write the parts of docs/ that are made from the code
	PYTHONPATH=. $(BIN)/python tests/documents.py

site: $(VENV)/.site  ## docs/ as a site with search, in build/site; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict -f docs/site/mkdocs.yml -d '$(CURDIR)/build/site'

# Each lock is a closure and is installed without resolving, so that nothing but what stands in it is ever asked for. Source archives
# are left out: they would be built by whatever is newest that day. The small locks start from the big one and keep its versions.
# build-system.requires in pyproject.toml names the same versions: tests/test_locks.py says when it does not.
lock: $(VENV)/.dev  ## pin every dependency anew, with all it needs
	$(PIN) --upgrade --group dev -o requirements-dev.txt
	cp requirements-dev.txt requirements-build.txt && $(PIN) --group build -o requirements-build.txt
	cp requirements-dev.txt requirements-extras.txt && $(PIN) --all-extras -o requirements-extras.txt
	cp requirements-dev.txt requirements-kubernetes.txt && $(PIN) --group kubernetes -o requirements-kubernetes.txt
	cp requirements-dev.txt requirements-site.txt && $(PIN) --group site -o requirements-site.txt
	cp requirements-dev.txt requirements.txt && $(PIN) -o requirements.txt

clean:  ## forget everything that was set up
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis tests/artifacts
	rm -rf tests/e2e/oidc/node_modules tests/e2e/routers/node_modules tests/e2e/conformance/node_modules tests/e2e/axe/node_modules

system:
	@sh tests/system_packages.sh

$(VENV)/bin/python:
	@test -n '$(PYTHON)' && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, with its venv module"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/system_packages.sh python3-venv
	$(PYTHON) -m venv $(VENV)

$(COMPILED)/.done: hatch_build.py pyproject.toml $(shell find gateway -name '*.py') | $(VENV)/.build
	@sh tests/compiler_packages.sh $(BIN)/python
	rm -rf build
	$(BIN)/hatchling build -t wheel -d build
	$(PIP) install --no-deps --target $(COMPILED) build/*.whl
	@touch $@

$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	$(PIP) install --no-deps --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.build: requirements-build.txt | $(VENV)/bin/python
	$(PIP) install --no-deps --require-hashes -r requirements-build.txt
	@touch $@ $(VENV)/.runtime

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(VENV)/.build
	$(PIP) install --no-deps --require-hashes -r requirements-dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.build $(VENV)/.runtime

$(VENV)/.kubernetes: requirements-kubernetes.txt $(VENV)/.dev
	$(PIP) install --no-deps --require-hashes -r requirements-kubernetes.txt
	@touch $@

$(VENV)/.site: requirements-site.txt | $(VENV)/bin/python
	$(PIP) install --no-deps --require-hashes -r requirements-site.txt
	@touch $@
