select
    invoice_id,
    transaction_id,
    kind,
    matched_by,
    invoice_number,
    counterparty,
    currency,
    paid_on,
    {{ money('total_cents') }} as invoice_total,
    {{ money('amount_cents') }} as transaction_amount,
    {{ money('applied_cents') }} as amount_applied
from {{ ref('int_qonto__invoice_payments') }}
