"""The tests of the reservation worker."""
