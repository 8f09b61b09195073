select
    id as transfer_id,
    bank_account_id as account_id,
    beneficiary_id,
    status,
    reference,
    upper(amount_currency) as currency,
    coalesce(amount_cents, {{ cents('amount') }}) as amount_cents,
    scheduled_date as scheduled_on,
    created_at,
    transaction_id,
    recurring_transfer_id
from (
    {{ rows_of('sepa_transfers', [
        'id', 'bank_account_id', 'beneficiary_id', 'status', 'reference', 'amount_currency', 'amount',
        'amount_cents', 'scheduled_date', 'created_at', 'transaction_id', 'recurring_transfer_id',
    ]) }}
) as raw
