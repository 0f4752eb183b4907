"""Pure numbers on music: one module per family of measures. No model, no files, no chance."""
