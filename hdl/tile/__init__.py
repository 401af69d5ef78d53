"""A tile: the memory its cores share, what sends and receives messages, and what runs them all."""
