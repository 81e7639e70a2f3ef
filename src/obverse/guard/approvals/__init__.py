"""People who are asked: what they are shown, what they sign, the queue between, and how good their answers are."""
