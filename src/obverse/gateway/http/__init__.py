"""The HTTP gateway: the OpenAI chat and responses protocols in front of any model that speaks them; each turn is decided first."""
