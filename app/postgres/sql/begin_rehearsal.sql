-- The beginning of the frame in which behaviour is tried.
begin read only
