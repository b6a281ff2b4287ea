.PHONY: bench check demo fresh fuzz site test

bench: ## beside their peers, on a quiet machine; ROWS="deliver status" for some of them
	.venv/bin/python -m bench $(ROWS)

check:
	scripts/check

demo:
	scripts/demo

test:
	scripts/test

fuzz: ## inputs nobody thought of, without end; PROPERTIES="archive registry" for some of them
	.venv/bin/python -m fuzz $(PROPERTIES)

fresh: ## README's two commands in fresh Debian systems; needs root. SUITE=trixie for one of them
	scripts/fresh $(SUITE)

site: ## the documentation as a web site, in build/site
	scripts/venv
	.venv/bin/pip install --quiet --group docs
	.venv/bin/python -m sphinx -q -W --keep-going -b html docs build/site
