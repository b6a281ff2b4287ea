.PHONY: bench check demo fresh test

bench: ## beside their peers, on a quiet machine; ROWS="deliver status" for some of them
	.venv/bin/python -m bench $(ROWS)

check:
	scripts/check

demo:
	scripts/demo

test:
	scripts/test

fresh: ## README's two commands in fresh Debian systems; needs root. SUITE=trixie for one of them
	scripts/fresh $(SUITE)
