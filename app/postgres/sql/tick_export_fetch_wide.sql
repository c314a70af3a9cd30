-- The next ticks of an export with meta, any of which may be a megabyte.
fetch forward 8 from tick_export
