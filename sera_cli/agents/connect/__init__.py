"""The tools that people use, made to ask an agent: what each is to be told, and its settings written and taken back."""
