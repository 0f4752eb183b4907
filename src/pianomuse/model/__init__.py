"""RWKV-7 in PyTorch."""
