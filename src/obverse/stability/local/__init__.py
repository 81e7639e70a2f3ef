"""A model in this process, on torch and transformers: draws in batches, readings through hooks, edits. Loaded late, by name."""
