"""What a reservation is and how it moves. Imports nothing but the standard library."""
