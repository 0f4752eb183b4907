"""How good a model is: likelihood, completions against the truth, and the references it has to beat."""
