select
    id as recurring_transfer_id,
    bank_account_id as account_id,
    beneficiary_id,
    status,
    reference,
    frequency,
    upper(amount_currency) as currency,
    coalesce(amount_cents, {{ cents('amount') }}) as amount_cents,
    first_execution_date as first_on,
    last_execution_date as last_on,
    next_execution_date as next_on,
    created_at
from (
    {{ rows_of('recurring_transfers', [
        'id', 'bank_account_id', 'beneficiary_id', 'status', 'reference', 'frequency',
        'amount_currency', 'amount', 'amount_cents', 'first_execution_date', 'last_execution_date',
        'next_execution_date', 'created_at',
    ]) }}
) as raw
