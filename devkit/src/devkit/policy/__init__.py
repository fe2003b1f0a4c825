"""What `rapport policy` needs: recorded history out of files, and what it comes to as tables."""
