"""What Singer and its SDK want otherwise, for the tap and the target alike."""
