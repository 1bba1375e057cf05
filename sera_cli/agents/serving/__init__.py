"""Agents over HTTP: OpenAI's chat completions and responses, Anthropic's messages, in front of one engine."""
