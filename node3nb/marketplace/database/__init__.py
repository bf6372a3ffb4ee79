"""The database, whichever it is: its tables, its migrations, its transactions."""
