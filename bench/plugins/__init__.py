"""Plugins for the management agent's own runner that stand beside ours."""
