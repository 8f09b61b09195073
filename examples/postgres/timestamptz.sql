-- target-postgres makes columns without a time zone for timestamps, which are in UTC. This gives
-- them the zone. Run it once, after the first load; the loader keeps the columns as they are then:
--
--   psql postgresql://... --file examples/postgres/timestamptz.sql
--
-- It looks at the schema `qonto`, or at the one that the setting qonto.schema names:
--
--   export PGOPTIONS="-c qonto.schema=qonto_demo"
--   psql postgresql://... --file examples/postgres/timestamptz.sql
do $$
declare
    schema_name text := coalesce(nullif(current_setting('qonto.schema', true), ''), 'qonto');
    zoneless record;
begin
    for zoneless in
        select table_schema, table_name, column_name
        from information_schema.columns
        where table_schema = schema_name and data_type = 'timestamp without time zone'
    loop
        execute format(
            'alter table %1$I.%2$I alter column %3$I type timestamptz using %3$I at time zone ''UTC''',
            zoneless.table_schema, zoneless.table_name, zoneless.column_name
        );
    end loop;
end
$$;
