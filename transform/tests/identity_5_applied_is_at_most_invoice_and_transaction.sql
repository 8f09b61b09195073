select
    'invoice' as side,
    invoice_id as id,
    sum(amount_applied) as applied,
    max(invoice_total) as amount
from {{ ref('qonto__invoice_payments') }}
group by invoice_id
having sum(amount_applied) > max(invoice_total)

union all

select
    'transaction',
    transaction_id,
    sum(amount_applied),
    max(transaction_amount)
from {{ ref('qonto__invoice_payments') }}
group by transaction_id
having sum(amount_applied) > max(transaction_amount)
