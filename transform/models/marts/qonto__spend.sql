with vat as (

    select
        transaction_id,
        sum(vat_cents) as vat_cents
    from {{ ref('int_qonto__transaction_vat') }}
    group by transaction_id

)

select
    transactions.transaction_id,
    transactions.account_id,
    accounts.account_name,
    transactions.completed_on as spent_on,
    {{ month_of('transactions.completed_on') }} as month,
    transactions.currency,
    {{ money('transactions.amount_cents') }} as amount,
    {{ money('coalesce(vat.vat_cents, 0)') }} as vat,
    transactions.operation_type,
    transactions.category,
    transactions.subcategory,
    transactions.counterparty as supplier,
    people.card_id,
    people.card,
    people.holder_id,
    people.holder,
    people.team,
    labels.labels,
    transactions.receipt_required,
    transactions.receipt_lost,
    transactions.receipts as receipt_count,
    transactions.receipt_required and not transactions.receipt_lost and transactions.receipts = 0 as receipt_missing
from {{ ref('int_qonto__transactions') }} as transactions
left join {{ ref('int_qonto__accounts') }} as accounts on transactions.account_id = accounts.account_id
left join {{ ref('int_qonto__people') }} as people on transactions.transaction_id = people.transaction_id
left join {{ ref('int_qonto__transaction_labels') }} as labels
    on transactions.transaction_id = labels.transaction_id
left join vat on transactions.transaction_id = vat.transaction_id
where
    transactions.completed_on is not null
    and transactions.side = 'debit'
    and transactions.flow_type = 'operating'
