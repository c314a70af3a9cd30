"""A database to try the product on: an embedded Postgres made to look like a Supabase project. Not in the image."""
