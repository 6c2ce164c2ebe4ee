"""Is a client who it says it is: published address lists and reverse DNS, asked beside the requests."""
