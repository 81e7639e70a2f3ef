"""A diagnosis → pictures and a page. It computes nothing: every figure comes from the records of `stability.findings`.

page.stability_html        pictures.pictures(diagnosis)["map"].svg(dark=False)
page.comparison_html       pictures.comparison_pictures(comparison)["pairs"].png()
"""
