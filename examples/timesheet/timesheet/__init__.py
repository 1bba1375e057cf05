"""Working hours in a text file, and what to bill for them."""
