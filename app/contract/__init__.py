"""What the runner expects of its database, and how a reading of it measures up. Pure: values in, values out."""
