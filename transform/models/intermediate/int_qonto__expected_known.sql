{#- What is ordered already on each day of forecast: pending transactions, SEPA transfers without a
    transaction yet, and, today, instalments of Pay Later. -#}
with dates as (

    select * from {{ ref('int_qonto__forecast_dates') }}

),

pending as (

    select
        dates.as_of,
        'pending_transaction' as source,
        flows.transaction_id as document_id,
        flows.account_id,
        flows.currency,
        flows.side,
        flows.amount_cents,
        flows.emitted_on as promised_on,
        {{ add_days('dates.as_of', 1) }} as expected_on,
        flows.counterparty,
        cast(null as {{ type_text() }}) as description,
        flows.origin,
        flows.recurring_transfer_id,
        'operating' as flow_type
    from {{ ref('int_qonto__operating_flows') }} as flows
    inner join dates
        on
            flows.emitted_on <= dates.as_of
            and (flows.completed_on is null or flows.completed_on > dates.as_of)
            and (flows.completed_on is not null or dates.is_current)

    union all

    select
        dates.as_of,
        'pending_transaction',
        transactions.transaction_id,
        transactions.account_id,
        transactions.currency,
        transactions.side,
        transactions.amount_cents,
        transactions.emitted_on,
        {{ add_days('dates.as_of', 1) }},
        transactions.counterparty,
        cast(null as {{ type_text() }}),
        'other',
        cast(null as {{ type_text() }}),
        transactions.flow_type
    from {{ ref('int_qonto__transactions') }} as transactions
    inner join dates on dates.is_current
    where
        transactions.status = 'pending'
        and transactions.flow_type = 'financing'
        and transactions.net_cents is not null

),

promised as (

    select distinct {{ json_text(item('ids')) }} as transfer_id
    from {{ ref('int_qonto__supplier_invoices') }} as invoices
    {{ each_item('invoices.transfer_ids', 'ids') }}

),

transfers as (

    select
        dates.as_of,
        'sepa_transfer' as source,
        transfers.transfer_id as document_id,
        transfers.account_id,
        transfers.currency,
        'debit' as side,
        transfers.amount_cents,
        transfers.scheduled_on as promised_on,
        {{ not_before_tomorrow('coalesce(transfers.scheduled_on, dates.as_of)', 'dates.as_of') }} as expected_on,
        beneficiaries.beneficiary as counterparty,
        transfers.reference as description,
        case
            when transfers.recurring_transfer_id is not null then 'recurring'
            when promised.transfer_id is not null then 'invoiced'
            else 'other'
        end as origin,
        transfers.recurring_transfer_id,
        'operating' as flow_type
    from {{ ref('stg_qonto__sepa_transfers') }} as transfers
    inner join dates on {{ local_day('transfers.created_at') }} <= dates.as_of
    left join {{ ref('int_qonto__transactions') }} as transactions
        on transfers.transaction_id = transactions.transaction_id
    left join promised on transfers.transfer_id = promised.transfer_id
    left join {{ ref('stg_qonto__beneficiaries') }} as beneficiaries
        on transfers.beneficiary_id = beneficiaries.beneficiary_id
    left join {{ ref('int_qonto__accounts') }} as own on beneficiaries.iban = own.iban
    where
        own.account_id is null
        and (
            -- It waits still; as long as it has a transaction, that one is counted.
            (transfers.status in ('pending', 'processing') and transactions.transaction_id is null)
            or (not dates.is_current and transfers.status = 'settled' and transactions.emitted_on > dates.as_of)
        )

),

-- The instalments that follow the last one that was paid.
instalments as (

    select
        paid.transaction_id,
        paid.account_id,
        paid.currency,
        paid.side,
        paid.amount_cents,
        paid.completed_on,
        paid.counterparty,
        paid.installment,
        paid.installments
    from {{ ref('int_qonto__transactions') }} as paid
    left join {{ ref('int_qonto__transactions') }} as next
        on
            paid.account_id = next.account_id
            and next.installments = paid.installments
            and next.installment = paid.installment + 1
            and next.completed_on between paid.completed_on and {{ add_days('paid.completed_on', 62) }}
            and abs(next.amount_cents - paid.amount_cents) * 20 <= paid.amount_cents
    where
        paid.completed_on is not null
        and paid.net_cents is not null
        and paid.installment < paid.installments
        and next.transaction_id is null

),

pay_later as (

    select
        dates.as_of,
        'pay_later' as source,
        instalments.transaction_id as document_id,
        instalments.account_id,
        instalments.currency,
        instalments.side,
        instalments.amount_cents,
        {{ add_months('instalments.completed_on', 'numbers.n') }} as promised_on,
        {{ add_months('instalments.completed_on', 'numbers.n') }} as expected_on,
        instalments.counterparty,
        cast(null as {{ type_text() }}) as description,
        'other' as origin,
        cast(null as {{ type_text() }}) as recurring_transfer_id,
        'financing' as flow_type
    from instalments
    inner join ({{ numbers(121) }}) as numbers
        on numbers.n between 1 and instalments.installments - instalments.installment
    inner join dates on dates.is_current
    where {{ add_months('instalments.completed_on', 'numbers.n') }} > dates.as_of

)

select * from pending
union all
select * from transfers
union all
select * from pay_later
