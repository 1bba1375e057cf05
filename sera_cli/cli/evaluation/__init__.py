"""What `sera eval`, `sera bench` and `--evaluate` do behind their verbs: settle, try, grade, tell."""
