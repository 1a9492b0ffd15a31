"""One fit: which schedule sets which value of which parameter group, and when."""
