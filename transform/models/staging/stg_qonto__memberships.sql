select
    id as member_id,
    nullif(trim(coalesce(first_name, '') || ' ' || coalesce(last_name, '')), '') as member,
    team_id
from (
    {{ current_rows_of('memberships', ['id', 'first_name', 'last_name', 'team_id']) }}
) as raw
