"""What activations say of a prompt: directions, probes, lens, attention, routing. On plain arrays; who reads them is `ports.Looks`.

    look          all of it: readings in, `findings.Inside` out; `sheet` holds what was found so far, `gathered` what is kept
    folds         who is held out together; `nested` learns and chooses on some folds and shows on another; `ranking` is AUROC
    directions    difference of means; `probes` logistic regression; `lexical` margin and lens; `attention`; `routing`
    plausibility  our own possible and impossible sentences (`sentences`), against perplexity
    causal        the direction taken out, added and patched, beside directions that mean nothing

Nothing learnt from a family is shown on it. Formulas, sources and pitfalls: `docs/concepts/stability/`.
"""
