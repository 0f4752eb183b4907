"""RWKV-7 in PyTorch: for training, and for generating on a GPU."""
