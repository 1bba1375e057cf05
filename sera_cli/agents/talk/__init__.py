"""What a long conversation with an agent needs: where it works, what it may do, and how to go back or go on later."""
