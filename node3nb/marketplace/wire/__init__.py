"""What travels: the words of every call and answer, and what they allow."""
