"""What happened, for those who look afterwards."""
