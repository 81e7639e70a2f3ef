"""A proxy for the Model Context Protocol: agents connect to it, it connects to the real servers, and the guard stands between.

Modules here import the official SDK; nothing outside this package loads them before a command or a caller asks for it.
"""
