"""Agent in, numbers out: benchmark instances, their environments, rollouts, grades, statistics."""
