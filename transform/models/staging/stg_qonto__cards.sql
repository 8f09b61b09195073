select
    id as card_id,
    nullif(nickname, '') as card_name,
    last_digits,
    holder_id
from (
    {{ current_rows_of('cards', ['id', 'nickname', 'last_digits', 'holder_id']) }}
) as raw
