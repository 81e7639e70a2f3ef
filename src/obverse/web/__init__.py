"""Pages for people: what waits for approval. They show and send; every check is made in `guard`."""
