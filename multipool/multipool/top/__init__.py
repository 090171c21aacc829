"""``multipool top``: the pools of this user's processes in a terminal."""
