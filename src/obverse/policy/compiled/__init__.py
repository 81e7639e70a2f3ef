"""The compiled monitor: rules become Python code that *proves* quickly that a rule is silent, or that it fires.

The code may always say "I do not know"; then the reference evaluator decides that rule, over what was kept. So a compiled
monitor can be wrong only in what it proves, and L05 compares it with the reference on everything. Read in this order:
`plain` (values), `reading` (bytes to values), `proving` (conditions to code), `scopes` (what names are as code), `tracks` (what is
remembered), `specs` and `tracked` (of which operator, and how events are read), `past` (operators to code), `explaining`, `program`
(one function per tool), `session` (the monitor).
"""
