"""From the owner's YAML to a policy, with every problem and its place at once."""
