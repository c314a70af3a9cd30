"""The only room that imports asyncpg: connections, and what is read through them."""
