"""Sheet music: hands and voices, spelling, note values, MusicXML."""
