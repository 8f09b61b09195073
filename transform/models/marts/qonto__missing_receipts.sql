select
    transactions.transaction_id,
    transactions.account_id,
    transactions.completed_on as settled_on,
    {{ month_of('transactions.completed_on') }} as month,
    transactions.currency,
    {{ money('transactions.amount_cents') }} as amount,
    {{ days_between('transactions.completed_on', 'as_of.as_of') }} as days,
    transactions.counterparty,
    transactions.category,
    people.card,
    people.holder_id,
    people.holder,
    people.team
from {{ ref('int_qonto__transactions') }} as transactions
cross join {{ ref('int_qonto__as_of') }} as as_of
left join {{ ref('int_qonto__people') }} as people on transactions.transaction_id = people.transaction_id
where
    transactions.completed_on is not null
    and transactions.receipt_required
    and not transactions.receipt_lost
    and transactions.receipts = 0
