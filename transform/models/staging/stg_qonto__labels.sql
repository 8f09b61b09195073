select
    id as label_id,
    name as label
from (
    {{ current_rows_of('labels', ['id', 'name']) }}
) as raw
