"""What an author asks for: files that begin as they should end."""
