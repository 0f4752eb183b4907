"""Training RWKV-7 on piano music."""
