"""Policies in other languages: what can be said there is said exactly, what cannot is named, nothing is dropped silently.

`cedar_export` and `cedar_import` speak Cedar 4, `dogwood` its temporal extension. No engine runs here: who wants one decides
the exported policies with `cedarpy` on what `cedar_request` makes of a step.
"""
