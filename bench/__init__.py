"""Speed and size, measured beside honest peers in one run: `python -m bench`, nothing asserted."""
