select
    id as statement_id,
    bank_account_id as account_id,
    -- MM-YYYY
    cast(substr(period, 4, 4) || '-' || substr(period, 1, 2) || '-01' as date) as month
from (
    {{ current_rows_of('statements', ['id', 'bank_account_id', 'period']) }}
) as raw
