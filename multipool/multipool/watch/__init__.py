"""Watching: which line of code holds a connection, and what it does with it.

- `tracing`: how much is noted, and who else wants to see what is executed.
- `stacks`, `library`: where in the code something happened, and whose code that is.
- `sight`: what is seen of one connection; `cursor` sees it.
- `finding`, `doing`, `records`, `table`: who holds a connection, what they do, in words.
- `alarms`, `pressure`: what lasts too long, and when to look closer.
- `queries`: which statements cost the most; `comments` tell the server where they come from.
- `exposed`, `exposing`, `runtime`, `asking`: what ``multipool top`` sees of other processes.
"""

from multipool.watch.exposed import expose

__all__ = ["expose"]
