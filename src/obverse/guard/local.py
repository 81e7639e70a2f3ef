"""A guard on this machine: the one module of the room that reads the clock and draws random numbers, and gives both to the core."""
