"""Django backends on multipool."""
