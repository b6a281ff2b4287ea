"""Stateful stand-ins for the pull-request APIs, one module per provider."""
