"""What several machines share of what is put and said, in PostgreSQL: the journal, and the copy of it that each follows."""
