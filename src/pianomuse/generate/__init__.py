"""From a model's logits to ideas a composer can use."""
