"""The scheduler: from unscheduled pods to bindings. Decisions are pure; talks to the API only."""
