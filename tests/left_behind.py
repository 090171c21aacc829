"""What sessions are left with, for the tests that no later borrower finds it."""

from __future__ import annotations

#: What a borrower leaves on the server: how, and what the next one would see of it.
ON_THE_SERVER = {
    "a setting": ("set work_mem to '123kB'", "show work_mem"),
    "a setting in the wake of a query": ("select 1; set work_mem to '123kB'", "show work_mem"),
    "a setting by function": ("select set_config('work_mem', '123kB', false)", "show work_mem"),
    "a setting by the view of them": (
        "update pg_settings set setting = '123' where name = 'work_mem'",
        "show work_mem",
    ),
    "a custom setting": (
        "set tenant.id to '42'",
        "select coalesce(current_setting('tenant.id', true), '')",
    ),
    "the search path": ("set search_path to pg_catalog, public", "show search_path"),
    "the time zone": ("set time zone 'Asia/Tokyo'", "show timezone"),
    "the role": ("set role pg_monitor", "select current_user"),
    "the session's user": ("set session authorization pg_monitor", "select session_user"),
    "read only": (
        "set session characteristics as transaction read only",
        "show transaction_read_only",
    ),
    "a temporary table": ("create temporary table mine ()", "select to_regclass('pg_temp.mine')"),
    "a temporary table by SELECT INTO": (
        "select 1 as a into temporary mine",
        "select to_regclass('pg_temp.mine')",
    ),
    "an advisory lock": (
        "select pg_advisory_lock(4712)",
        "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    ),
    "LISTEN": ("listen news", "select count(*) from pg_listening_channels()"),
    "PREPARE": (
        "prepare mine as select 1",
        "select count(*) from pg_prepared_statements where from_sql",
    ),
    "a cursor WITH HOLD": (
        "declare mine cursor with hold for select 1",
        "select count(*) from pg_cursors where is_holdable",
    ),
    "a setting by DO": ("do $$ begin set work_mem to '123kB'; end $$", "show work_mem"),
}
