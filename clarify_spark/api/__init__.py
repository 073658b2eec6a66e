"""What a Python program calls, and what it gets back."""
