"""What the workers of a site know of clients, exchanged beside the requests: in memory, through SQLite or Valkey."""
