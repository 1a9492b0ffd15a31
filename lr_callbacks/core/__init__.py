"""One fit: who sets which value of which parameter group, and when."""
