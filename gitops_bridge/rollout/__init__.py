"""One rollout as one state machine, pure: State and what a look sees, to State and effects."""
