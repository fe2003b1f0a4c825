"""A company's day in seconds: traffic, who answers its surveys, who is paged, and whether all of it balances."""
