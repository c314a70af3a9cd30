-- The next ticks of the export.
fetch forward 500 from tick_export
