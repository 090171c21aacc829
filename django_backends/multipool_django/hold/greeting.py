"""``connection_created``, sent once for each connection of the pool.

And the ``init_connection_state`` of a subclass's own, which Django calls just before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.backends.signals import connection_created

from multipool.driver import ON_SERVER, Driver

if TYPE_CHECKING:
    from multipool_django.wrapper import PooledWrapper


def greet(wrapper: PooledWrapper, conn: Any, driver: Driver) -> None:
    """Send Django's signal for *conn*, which *wrapper* has just checked out.

    For the first time, or the first since receivers have come or gone (those of an app that was
    not installed yet, as ``django.contrib.postgres`` comes and goes in tests), or since another
    alias had it that shares the pool.

    What its receivers set is how every borrower finds the connection from then on; that costs
    it one question to the server. Raises what they raise.
    """
    greeted = getattr(conn, "_multipool_greeted", None)
    if greeted is not None and greeted[1] != wrapper.alias:
        forget(conn, driver)
    # At first, since they will use it. How many there are tells well enough who they are.
    conn._multipool_greeted = len(connection_created.receivers), wrapper.alias
    if not (wrapper.sets_state or connection_created.has_listeners(type(wrapper))):
        return
    try:
        conn._multipool_noting = True
        if wrapper.sets_state:
            wrapper.init_connection_state()
        connection_created.send(sender=type(wrapper), connection=wrapper)
        slot = conn._multipool_slot
        if slot is not None and slot.touched:
            before, touched = getattr(conn, "_multipool_before", None) or (slot.settings, 0)
            conn._multipool_before = before, touched | slot.touched
            slot.settings = driver.remember(conn, configured=True)
            slot.touched = 0
    except BaseException:
        conn._multipool_greeted = None
        raise
    finally:
        conn._multipool_noting = False


def forget(conn: Any, driver: Driver) -> None:
    """Take back what was set on *conn*, just checked out, when it was greeted for another alias.

    Raises what the driver raises.
    """
    before = getattr(conn, "_multipool_before", None)
    if before is not None:
        conn._multipool_greeted = None
        settings, touched = before
        slot, shelf = conn._multipool_slot, conn._multipool_shelf
        if touched & ON_SERVER:
            driver.reset(conn, settings)
            if shelf is not None:
                shelf.forget()
        driver.restore(conn, settings)
        slot.settings = settings
        conn._multipool_before = None
