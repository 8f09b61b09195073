{#- Completed and pending operating flows with what brings them about, which says how they are
    forecast: an invoice, a standing order, or something else. -#}
with invoiced as (

    select distinct transaction_id
    from {{ ref('int_qonto__invoice_payments') }}

),

ordered as (

    select
        transaction_id,
        max(recurring_transfer_id) as recurring_transfer_id
    from {{ ref('stg_qonto__sepa_transfers') }}
    where transaction_id is not null
    group by transaction_id

)

select
    transactions.transaction_id,
    transactions.account_id,
    transactions.currency,
    transactions.side,
    transactions.amount_cents,
    transactions.net_cents,
    transactions.emitted_on,
    transactions.completed_on,
    transactions.operation_type,
    transactions.counterparty,
    {{ name_key("coalesce(transactions.counterparty, '')") }} as counterparty_key,
    ordered.recurring_transfer_id,
    case
        when invoiced.transaction_id is not null then 'invoiced'
        when ordered.recurring_transfer_id is not null then 'recurring'
        else 'other'
    end as origin
from {{ ref('int_qonto__transactions') }} as transactions
left join invoiced on transactions.transaction_id = invoiced.transaction_id
left join ordered on transactions.transaction_id = ordered.transaction_id
where
    transactions.flow_type = 'operating'
    and transactions.net_cents is not null
    and (transactions.completed_on is not null or transactions.status = 'pending')
