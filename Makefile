.PHONY: bench check demo test

bench: ## beside their peers, on a quiet machine; ROWS="deliver status" for some of them
	.venv/bin/python -m bench $(ROWS)

check:
	scripts/check

demo:
	scripts/demo

test:
	scripts/test
