"""Public doubles: a stub server, simulated agents, clocks and generators. Nothing here is patched into the product."""
