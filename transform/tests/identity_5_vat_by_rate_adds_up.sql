{#- By rate or not, it is the VAT that Qonto says: of the transaction, else of its details. -#}
with said as (

    select
        transactions.currency,
        {{ month_of('transactions.completed_on') }} as month,
        sum(
            case when transactions.side = 'credit' then 1 else -1 end * coalesce(
                {{ money('transactions.vat_amount_cents') }},
                {{ money('details.vat_cents') }},
                0
            )
        ) as net
    from {{ ref('int_qonto__transactions') }} as transactions
    left join (
        select
            transaction_id,
            sum(vat_cents) as vat_cents
        from {{ ref('int_qonto__transaction_vat') }}
        group by transaction_id
    ) as details on transactions.transaction_id = details.transaction_id
    where transactions.completed_on is not null and transactions.side in ('credit', 'debit')
    group by 1, 2

),

parts as (

    select
        currency,
        month,
        sum(net) as net
    from {{ ref('qonto__vat') }}
    where method = 'cash'
    group by currency, month

)

select
    said.currency,
    said.month,
    said.net as said,
    parts.net as parts
from said
left join parts on said.currency = parts.currency and said.month = parts.month
where said.net <> coalesce(parts.net, 0)
