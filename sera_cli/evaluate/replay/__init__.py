"""A benchmark out of a repository's own past: what its people once changed, asked for again."""
