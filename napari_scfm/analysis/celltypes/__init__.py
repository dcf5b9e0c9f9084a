"""Cell types: who votes, which markers speak, and how well they agree with labels."""
