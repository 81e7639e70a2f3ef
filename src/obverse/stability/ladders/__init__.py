"""Graded perturbations that keep what is asked, each with the round trip that shows it."""
