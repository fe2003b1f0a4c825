"""What must hold while processes are killed, at any moment and again and again."""
