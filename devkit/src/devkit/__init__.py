"""What people run and services never import."""
