"""Models and agents behind one protocol. Adapters load when they are opened; this module loads none of them."""
