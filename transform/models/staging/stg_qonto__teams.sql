select
    id as team_id,
    name as team
from (
    {{ current_rows_of('teams', ['id', 'name']) }}
) as raw
