"""The ways into an agent that speak a protocol: an HTTP gateway before a model, an MCP proxy before tools. All decide in `guard`."""
