"""Real or stateful servers that tests talk to over loopback."""
