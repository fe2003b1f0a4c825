"""Takes in contact events from other company systems."""
