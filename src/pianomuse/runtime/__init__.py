"""RWKV-7 on a CPU without PyTorch."""
