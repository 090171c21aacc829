-- What the fleet keeps in a database. Run by `multipool fleet install`; to run it again
-- changes nothing, or brings what an older version has installed up to date: who could report or
-- read then, can afterwards.
--
-- Whoever runs it owns it all, and need not be a superuser. An application's role may execute
-- beat(), goodbye(), sweep() and claim(), and read nothing; it should not be the owner.

do $$
begin
    -- Else its owner could have laid tables there whose triggers our functions would run.
    if exists (select from pg_namespace
                where nspname = 'multipool' and pg_get_userbyid(nspowner) <> current_user) then
        raise insufficient_privilege using message = 'the schema multipool is somebody else''s';
    end if;
end
$$;
create schema if not exists multipool;
revoke all on schema multipool from public;

-- One row for each process, rewritten with each of its beats. Unlogged, since after a crash
-- the next beats bring it back; half of each page is left empty, so that a row's next version
-- finds room beside it and no index has to know.
create unlogged table if not exists multipool.process (
    id uuid primary key,
    app text not null,
    host text not null,
    pid integer not null,
    role name not null default session_user,
    started_at timestamptz not null,
    beat_at timestamptz not null,
    every_s double precision not null,
    pooler boolean not null,                                       -- its pid of the server is not ours
    pools jsonb not null check (jsonb_typeof(pools) = 'object'),       -- gauges by pool
    counters jsonb not null check (jsonb_typeof(counters) = 'object'), -- totals by pool
    detail text -- packed by who writes it, see packing.py
) with (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 500,
    toast.autovacuum_vacuum_cost_delay = 0
);
revoke all on multipool.process from public;
do $$
declare
    kept pg_attribute := one from pg_attribute as one
        where attrelid = 'multipool.process'::regclass and attname = 'detail';
begin
    -- Only what is to be changed is altered: behind whoever reads the table, as a backup does, that
    -- waits, and all beats and claims wait behind it. So it gives up soon, too.
    perform set_config('lock_timeout', '3s', true);
    -- It was once. What an older process writes is text of JSON then, which says nothing.
    if kept.atttypid = 'jsonb'::regtype then
        alter table multipool.process alter column detail type text using null;
    end if;
    -- A moved detail would have dead versions in a second table, which only a vacuum clears.
    if kept.attstorage <> 'm' or kept.atttypid = 'jsonb'::regtype then
        alter table multipool.process alter column detail set storage main;
    end if;
end
$$;

-- The totals of processes that are gone, so that those of all never fall: a row for each application.
-- (An older version wrote one for each of its pools, hence the key. Nobody asks for these apart, and
-- names that are made up as a program goes would be more and more.)
create table if not exists multipool.retired (
    app text,
    pool text,
    counters jsonb not null,
    added_at timestamptz not null default now(),
    primary key (app, pool)
);
revoke all on multipool.retired from public;
do $$
begin
    -- As above, only where it is to be changed.
    if not exists (select from pg_attribute
                    where attrelid = 'multipool.retired'::regclass and attname = 'added_at') then
        perform set_config('lock_timeout', '3s', true);
        alter table multipool.retired add column added_at timestamptz not null default now();
    end if;
end
$$;

-- The one row of what all processes must know. A crash empties it together with the table of
-- processes, and a new epoch tells them so.
create unlogged table if not exists multipool.control (
    one boolean primary key default true check (one),
    epoch uuid not null default gen_random_uuid(),
    watch_until timestamptz not null default '-infinity',
    swept_at timestamptz not null default '-infinity',
    processes integer not null default 0,
    cap_bytes bigint not null default 64 * 1024 * 1024,
    is_full boolean not null default false
);
revoke all on multipool.control from public;
insert into multipool.control default values on conflict do nothing;

-- The applications that share a budget of connections, see multipool/budget/sharing.py. A row is
-- rewritten with each claim, which makes the claims of one application wait for each other.
create unlogged table if not exists multipool.budget (
    app text primary key,
    budget integer,                         -- all of it, those for asking too
    counted integer,                        -- what the server has for them: "auto"
    kept integer not null default 1,        -- how many are for asking: one for each host
    counted_at timestamptz not null default '-infinity',
    full_at integer,                        -- so many they had when the server refused one more
    full_until timestamptz not null default '-infinity'
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
revoke all on multipool.budget from public;

-- What each pool of theirs may have.
create unlogged table if not exists multipool.stake (
    id uuid primary key,
    app text not null,
    host text not null,
    pid integer not null,
    pool text not null,
    role name not null default session_user,
    mark text not null check (mark ~ '^mb:[0-9a-f]{8}$'),  -- in its connections' application_name
    budget integer,                         -- as its option says; null: "auto"
    want integer not null default 0,
    cap integer not null default 0,         -- it opens none beyond
    share integer not null default 0,       -- it holds none beyond
    turn timestamptz not null default now(),
    claimed_at timestamptz not null default now(),
    ends_at timestamptz not null default now()
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
revoke all on multipool.stake from public;

-- The sum of two dicts of totals. What is no number was written by no process of ours.
create or replace function multipool.add_counters(a jsonb, b jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(jsonb_object_agg(key, total), '{}')
      from (select key, sum(value::numeric) as total
              from (select * from jsonb_each(a) union all select * from jsonb_each(b)) as one
             where jsonb_typeof(value) = 'number'
             group by key) as summed
$$;

-- Move the totals of these processes to the retired.
create or replace function multipool.retire(ids uuid[]) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    with gone as (
        delete from multipool.process where id = any(ids) returning app, counters
    ), summed as (
        select gone.app, counter.key as name,
               -- What cannot be meant must not spoil what others have counted.
               coalesce(sum(counter.value::numeric) filter (
                   where abs(counter.value::numeric) < 1e18), 0) as total
          from gone,
               jsonb_each(gone.counters) as pool,
               jsonb_each(case jsonb_typeof(pool.value) when 'object' then pool.value end) as counter
         where jsonb_typeof(counter.value) = 'number'
         group by 1, 2
    )
    insert into multipool.retired as kept (app, pool, counters)
    select app, '', jsonb_object_agg(name, total) from summed group by app
     order by app -- all in the same order, or two could wait for each other
        on conflict (app, pool) do update
       set counters = multipool.add_counters(kept.counters, excluded.counters), added_at = now()
$$;

-- One beat of one process. Answers what it should know; "known": false if its row is gone
-- because it was silent for too long: its totals are among the retired, and it must go on with
-- another id and count from there. It never waits for a lock for longer than a moment.
create or replace function multipool.beat(report jsonb) returns jsonb
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $$
declare
    control multipool.control;
    known boolean := true;
    size bigint := 0;
    written boolean;
begin
    if pg_column_size(report) > 1024 * 1024 then
        raise program_limit_exceeded using message = 'a report must have less than 1 MB';
    end if;
    select * into control from multipool.control;
    if not found then
        insert into multipool.control default values on conflict do nothing;
        select * into strict control from multipool.control;
    end if;
    -- Each beat looks, since the table may grow by much between two sweeps. The last eighth of
    -- what it may have is for indexes, and for those who write at the same time.
    if not control.is_full then
        select pg_relation_size(oid) + pg_relation_size(reltoastrelid) into size
          from pg_class where oid = 'multipool.process'::regclass;
    end if;
    written := not control.is_full and size <= control.cap_bytes / 8 * 7;
    if written then
        update multipool.process
           set beat_at = now(),
               every_s = least(greatest((report->>'every')::float8, 1), 600),
               pooler = (report->>'backend')::bigint is distinct from pg_backend_pid(),
               pools = report->'pools',
               counters = report->'counters',
               detail = report->>'detail'
         where id = (report->>'id')::uuid;
        if not found then
            known := (report->>'epoch') is distinct from control.epoch::text;
            if known then
                insert into multipool.process
                    (id, app, host, pid, started_at, beat_at, every_s, pooler, pools, counters, detail)
                values (
                    (report->>'id')::uuid,
                    left(report->>'app', 200),
                    left(report->>'host', 200),
                    (report->>'pid')::int,
                    now() - make_interval(secs => (report->>'uptime')::float8),
                    now(),
                    least(greatest((report->>'every')::float8, 1), 600),
                    (report->>'backend')::bigint is distinct from pg_backend_pid(),
                    report->'pools',
                    report->'counters',
                    report->>'detail'
                );
            end if;
        end if;
    end if;
    return jsonb_build_object(
        'known', known,
        'written', written,
        'epoch', control.epoch,
        'watched', control.watch_until > now(),
        'processes', control.processes,
        'sweep', control.swept_at not between now() - interval '10 s' and clock_timestamp()
            or size > control.cap_bytes / 4 * 3,
        'backend', pg_backend_pid()
    );
end
$$;

-- How many of the server's connections there are for this application's pools together: all but
-- those kept for superusers, those that others have, and what the limits of role and database
-- leave. Anybody may see the application names of all sessions, so the owner sees enough; but what
-- helps them with a query, and takes none of the connections, is known only to who sees all.
create or replace function multipool.budget_of_server(marks text[]) returns integer
language sql stable set search_path = pg_catalog, pg_temp as $$
    with session as (
        select datname, usename,
               not coalesce(substring(application_name from 'mb:[0-9a-f]{8}') = any(marks), false)
                   as is_other
          from pg_stat_activity
         where usesysid is not null and datid is not null
           and coalesce(backend_type, 'client backend') = 'client backend'
    )
    select greatest(2, least(
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int
            - (select count(*) from session where is_other),
        (select rolconnlimit - (select count(*) from session where is_other and usename = rolname)
           from pg_roles where rolname = session_user and rolconnlimit >= 0),
        (select datconnlimit - (select count(*) from session where is_other and datname = d.datname)
           from pg_database d where datname = current_database() and datconnlimit >= 0)
    ))::int
$$;

-- What one pool wants of its application's budget, and what it can have. What it is given others
-- have released before; so the sum of all shares never exceeds the budget. Who was silent for too
-- long may open nothing any more, and is charged with what the server still serves it.
create or replace function multipool.claim(told jsonb) returns jsonb
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $$
declare
    my_id uuid := told->>'id';
    my_app text := left(told->>'app', 200);
    my_held int := greatest((told->>'held')::int, 0);
    mine multipool.stake;
    total multipool.budget;
    others int;
    coming int;
    due int;
begin
    -- First of all, so that what is read from here on is what the one before has written. (Where
    -- transactions are repeatable by default, this fails if there was one meanwhile.)
    loop
        insert into multipool.budget (app) values (my_app) on conflict do nothing;
        update multipool.budget set budget = budget where app = my_app returning * into total;
        exit when found; -- else a sweep has just taken it for forgotten
    end loop;

    -- The clock was set back. Who has claimed before has what it had, for as long as was said then.
    update multipool.stake
       set ends_at = now() + (ends_at - claimed_at), claimed_at = now(), turn = least(turn, now())
     where app = my_app and claimed_at > clock_timestamp() and ends_at > now();
    -- Whoever shares a machine with them knows that they are dead.
    if jsonb_array_length(told->'gone') > 0 then
        update multipool.stake set ends_at = '-infinity'
         where app = my_app and host = left(told->>'host', 200) and id <> my_id
           and role = session_user -- another's might say so of one that lives
           and mark in (select jsonb_array_elements_text(told->'gone'));
    end if;
    if exists (select from multipool.stake where app = my_app and ends_at < now()) then
        with silent as (
            select id, (select count(*) from pg_stat_activity
                         where position(mark in application_name) > 0)::int as served
              from multipool.stake where app = my_app and ends_at < now()
        ), gone as (
            delete from multipool.stake
             using silent where stake.id = silent.id and served = 0 and stake.id <> my_id
        )
        update multipool.stake set share = least(share, served), cap = least(cap, served), want = 0
          from silent where stake.id = silent.id and (served > 0 or stake.id = my_id);
    end if;
    if (told->>'leave')::boolean then
        update multipool.stake set share = my_held, cap = 0, want = 0, ends_at = '-infinity'
         where id = my_id;
        return null;
    end if;

    select * into mine from multipool.stake where id = my_id and app = my_app;
    if not found then
        insert into multipool.stake (id, app, host, pid, pool, mark)
        values (my_id, my_app, left(told->>'host', 200), (told->>'pid')::int,
                left(told->>'pool', 200), told->>'mark')
        returning * into mine;
    end if;
    mine.budget := (told->>'budget')::int;
    if mine.budget < 2 then
        mine.budget := 2; -- said by no process of ours
    end if;
    mine.claimed_at := now();
    mine.ends_at := now() + make_interval(
        secs => least(greatest((told->>'lease')::float8, 1), 600));
    if (told->>'end_turn')::boolean or (mine.want = 0 and (told->>'want')::int > 0) then
        mine.turn := clock_timestamp();
    end if;
    mine.want := greatest((told->>'want')::int, 0);

    if total.counted_at not between now() - interval '2 s' and clock_timestamp() then
        total.counted := multipool.budget_of_server(array(
            select mark from multipool.stake where app = my_app));
        -- Who has no stake just now, but beats, may ask at any moment. A lock on their table keeps
        -- nobody from a share: there are as many then as before.
        begin
            total.kept := (select count(distinct host) from multipool.process where app = my_app);
        exception when lock_not_available then
            null; -- and it is counted again in 2 s
        end;
        total.counted_at := now();
    end if;
    -- Where the server has given no more, one of those there are must serve for asking: else
    -- whoever has none could not even ask.
    if (told->>'full')::boolean then
        total.full_at := (
            select count(*) from pg_stat_activity
             where substring(application_name from 'mb:[0-9a-f]{8}') in (
                select mark from multipool.stake where app = my_app));
        total.full_until := now() + interval '30 s';
    end if;
    -- The smallest, if their pools were told different ones; and no more than there is.
    select least(mine.budget, min(budget),
                 case when total.full_until between now() and clock_timestamp() + interval '30 s'
                      then greatest(total.full_at, 2) end,
                 total.counted)
      into strict total.budget
      from multipool.stake where app = my_app and id <> my_id and ends_at >= now();
    -- What is not shared out: those who have no connection ask by it, one at a time on each host.
    -- It is no more than a tenth, but at least one.
    total.kept := greatest(1, least(total.budget / 10, greatest(total.kept, (
        select count(distinct host) from multipool.stake where app = my_app))));
    update multipool.budget
       set budget = total.budget, counted = total.counted, kept = total.kept,
           counted_at = total.counted_at,
           full_at = total.full_at, full_until = total.full_until
     where app = my_app and (budget, kept, counted_at, full_until)
        is distinct from (total.budget, total.kept, total.counted_at, total.full_until);

    select coalesce(sum(share), 0), coalesce(sum(share - cap), 0) into others, coming
      from multipool.stake where app = my_app and id <> my_id;
    -- What it says that it holds is charged, but gives no right to any: the server may have ended
    -- that already, and somebody else been given the place, while the process closes it yet.
    due := greatest(
        0,
        least((told->>'keep')::int, mine.share),
        least((told->>'ask')::int, total.budget - total.kept - others));
    mine.share := greatest(my_held, due);
    mine.cap := least(due, greatest((told->>'cap')::int, (told->>'ask')::int, 0));
    update multipool.stake
       set budget = mine.budget, want = mine.want, cap = mine.cap, share = mine.share,
           turn = mine.turn, claimed_at = mine.claimed_at, ends_at = mine.ends_at
     where id = my_id;

    return jsonb_build_object(
        'share', mine.share,
        'cap', mine.cap,
        'budget', total.budget,
        'kept', total.kept,
        'free', total.budget - total.kept - others - mine.share,
        'coming', coming,
        'groups', coalesce((
            select jsonb_agg(jsonb_build_array(want, cap, members, ahead)) from (
                select want, cap, count(*) as members,
                       count(*) filter (where (turn, id) < (mine.turn, my_id)) as ahead
                  from multipool.stake
                 where app = my_app and id <> my_id and ends_at >= now()
                 group by want, cap) as kind), '[]'),
        'hosts', (
            select jsonb_agg(jsonb_build_array(host, processes, connections)) from (
                -- Another role may be another's, which should not read where these are.
                select case role when session_user then host else '(role ' || role || ')' end,
                       count(distinct (host, pid)), sum(share)
                  from multipool.stake where app = my_app
                 group by 1 order by 3 desc, 2 desc, 1 limit 5)
                 as place (host, processes, connections)),
        'processes', (
            select count(distinct (host, pid)) from multipool.stake where app = my_app),
        'host_count', (
            select count(distinct case role when session_user then host
                                            else '(role ' || role || ')' end)
              from multipool.stake where app = my_app)
    );
end
$$;

-- The last beat of a process that ends.
create or replace function multipool.goodbye(report jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $$
begin
    update multipool.process set counters = report->'counters'
     where id = (report->>'id')::uuid;
    perform multipool.retire(array[(report->>'id')::uuid]);
end
$$;

-- The janitor: retire who was silent for ten beats, count the others, and keep the table small.
-- An open snapshot keeps dead rows from being cleared, whatever vacuum does; so shortly below the
-- cap the table is emptied and the living rows put back. Where that cannot be, since somebody has
-- a lock on it for longer than a moment, or is of no use, nothing is written until the next sweep.
create or replace function multipool.sweep() returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $$
declare
    most bigint := (select cap_bytes / 4 * 3 from multipool.control);
    is_over boolean;
    living multipool.process[];
    budgets multipool.budget[];
    stakes multipool.stake[];
begin
    if not pg_try_advisory_xact_lock(hashtextextended('multipool.sweep', 0)) then
        return;
    end if;
    perform multipool.retire(array(
        select id from multipool.process where beat_at < now() - make_interval(secs => 10 * every_s)
    ));
    -- An application's name may have been a pod's, which never comes again: of those that are not there
    -- the latest are enough. Whoever adds to one just now has the row locked, and wants it kept.
    delete from multipool.retired where (app, pool) in (
        select app, pool from multipool.retired
         where (app, pool) in (
            select app, pool from multipool.retired as old
             where not exists (select from multipool.process where process.app = old.app)
             order by added_at desc, app, pool offset 500)
           for update skip locked);
    is_over := pg_total_relation_size('multipool.process') > most;
    if is_over then
        begin
            lock table multipool.process in access exclusive mode;
            living := array(select process from multipool.process);
            truncate multipool.process;
            insert into multipool.process select (unnest(living)).*;
            is_over := pg_total_relation_size('multipool.process') > most;
        exception when lock_not_available then
            null; -- said by is_full
        end;
    end if;
    delete from multipool.stake
     where ends_at < now() - interval '1 min'
       and not exists (select from pg_stat_activity where position(mark in application_name) > 0);
    -- An application that asks no more, whose name may have been a pod's. Whoever claims by now
    -- has the row locked, and wants it kept.
    delete from multipool.budget where app in (
        select app from multipool.budget
         where counted_at < now() - interval '1 h'
           and not exists (select from multipool.stake where stake.app = budget.app)
           for update skip locked);
    -- They are read with each claim, and a held snapshot keeps each version of their rows too.
    if pg_total_relation_size('multipool.budget') + pg_total_relation_size('multipool.stake')
        > 256 * 1024 + 1024 * ((select count(*) from multipool.stake)
                               + (select count(*) from multipool.budget))
    then
        begin
            -- As claims do, first the budgets. Both are emptied together, so that a claim that has
            -- seen how it was before fails: it would find the budget, but nobody who has it.
            lock table multipool.budget in access exclusive mode;
            lock table multipool.stake in access exclusive mode;
            budgets := array(select one from multipool.budget as one);
            stakes := array(select stake from multipool.stake);
            truncate multipool.budget, multipool.stake;
            insert into multipool.budget select (unnest(budgets)).*;
            insert into multipool.stake select (unnest(stakes)).*;
        exception when lock_not_available then
            null; -- the next one may
        end;
    end if;
    update multipool.control
       set swept_at = now(),
           processes = (select count(*) from multipool.process),
           is_full = is_over;
end
$$;

-- Have all processes beat more often, with details, for a while.
create or replace function multipool.watch(seconds double precision) returns void
language sql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $$
    update multipool.control
       set watch_until = now() + make_interval(secs => least(seconds, 60))
     where watch_until < now() + make_interval(secs => least(seconds, 60) / 2)
$$;

-- Everything that a snapshot is made of. Runs with the rights of whoever reads.
create or replace function multipool.snapshot(raw_sql boolean) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
    select jsonb_build_object(
        'now', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'database', current_database(),
        'version', current_setting('server_version'),
        'max_connections', current_setting('max_connections')::int,
        'reserved', current_setting('superuser_reserved_connections')::int
            + coalesce(current_setting('reserved_connections', true), '0')::int,
        'sees_all', pg_has_role('pg_read_all_stats', 'usage'),
        'is_full', (select is_full from multipool.control),
        'processes', coalesce((select jsonb_agg(jsonb_build_object(
            'id', id, 'app', app, 'host', host, 'pid', pid, 'pooler', pooler, 'every', every_s,
            'uptime', extract(epoch from now() - started_at)::float8,
            'age', greatest(extract(epoch from now() - beat_at), 0)::float8,
            'pools', pools, 'counters', counters, 'detail', detail
        )) from multipool.process), '[]'),
        'retired', coalesce((select jsonb_agg(jsonb_build_object(
            'app', app, 'pool', pool, 'counters', counters
        )) from multipool.retired), '[]'),
        'budgets', coalesce((select jsonb_agg(jsonb_build_object(
            'app', app, 'budget', budget, 'kept', kept))
            from multipool.budget), '[]'),
        'stakes', coalesce((select jsonb_agg(jsonb_build_object(
            'app', app, 'host', host, 'pid', pid, 'pool', pool, 'mark', mark,
            'want', want, 'cap', cap, 'share', share, 'silent', ends_at < now(),
            'age', greatest(extract(epoch from now() - claimed_at), 0)::float8
        )) from multipool.stake), '[]'),
        'backends', coalesce((select jsonb_agg(jsonb_build_object(
            'pid', pid, 'started', backend_start, 'application', application_name,
            'user', usename, 'database', datname,
            'client', coalesce(client_hostname, host(client_addr)),
            'state', state,
            'age', extract(epoch from now() - backend_start)::float8,
            'state_age', greatest(extract(epoch from now() - state_change), 0)::float8,
            'transaction_age', greatest(extract(epoch from now() - xact_start), 0)::float8,
            'query_age', greatest(extract(epoch from now() - query_start), 0)::float8,
            'wait_event', wait_event_type || ': ' || wait_event,
            'blocked_by', case wait_event_type when 'Lock' then pg_blocking_pids(pid) end,
            'raw_sql', case when raw_sql then query end
        )) from pg_stat_activity where backend_type = 'client backend'), '[]')
    )
$$;

revoke all on all functions in schema multipool from public;

-- To whom an older version's functions and tables were granted, those that came later are too.
do $$
declare
    one regrole;
begin
    for one in select grantee from pg_proc, aclexplode(proacl)
                where pg_proc.oid = 'multipool.beat(jsonb)'::regprocedure and grantee <> proowner
    loop
        execute format('grant execute on function multipool.claim(jsonb) to %s', one);
    end loop;
    for one in select grantee from pg_class, aclexplode(relacl)
                where pg_class.oid = 'multipool.process'::regclass and grantee <> relowner
                  and privilege_type = 'SELECT'
    loop
        execute format('grant select on multipool.budget, multipool.stake to %s', one);
    end loop;
end
$$;
