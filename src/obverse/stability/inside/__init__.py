"""What activations say of a prompt: directions, probes, lens, attention, routing. On plain arrays; who reads them is `ports.Looks`."""
