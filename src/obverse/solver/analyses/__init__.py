"""One module per kind of question about a policy, each with `questions(checked)`; the list of them stands in `analyse`."""
