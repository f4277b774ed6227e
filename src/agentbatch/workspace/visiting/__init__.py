"""A task's place, opened for a person: walls as its commands have them, a terminal in them."""
