"""How stable a behaviour is: repeated and perturbed draws, and what the model looks like inside while it wavers.

    records     prompts, ladders of perturbation, draws, settings
    findings    what is found out of draws: placements, curves, components, signals
    ladders/    Prompt → Ladder: graded perturbations that keep the meaning, each with its round trip
    inside/     what activations say, on plain arrays: directions, probes, lens, attention, routing (numpy)
    local/      a model in this process, its draws and its activations (torch and transformers, loaded late)

Not a test of a policy (that is `campaign`), and no verdict: a diagnosis. Imports core and stats only; who answers and who
judges comes in through Protocols. Laws L10, L11, L18, L19.
"""
