"""From a folder of MIDI files to training batches."""
