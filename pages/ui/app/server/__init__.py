"""What the app adds to the server, its log, its metrics and a guard of uploads."""
