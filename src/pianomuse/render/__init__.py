"""Pictures and sound of piano music."""
