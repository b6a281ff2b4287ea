"""The pure middle: a Request and what Git holds, to the overlay Git shall hold."""
