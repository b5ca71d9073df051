"""What an operator may set: read once, checked whole, frozen."""
