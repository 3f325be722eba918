"""What people and machines start: the command line, and the generator of sample slides."""
