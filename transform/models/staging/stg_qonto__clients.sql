select
    id as client_id,
    coalesce(
        nullif(name, ''), nullif(trim(coalesce(first_name, '') || ' ' || coalesce(last_name, '')), '')
    ) as client
from (
    {{ rows_of('clients', ['id', 'name', 'first_name', 'last_name']) }}
) as raw
