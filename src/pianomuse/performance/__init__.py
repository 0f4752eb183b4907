"""Free performances: their beats, bars and metre, and the way from the recording onto bars and back."""
