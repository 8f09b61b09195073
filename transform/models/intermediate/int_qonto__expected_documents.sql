{#- Open invoices on each day of forecast, with what is left of them once everything that is paid or
    on its way is taken off. -#}
with dates as (

    select * from {{ ref('int_qonto__forecast_dates') }}

),

-- Money that had been sent by then, settled or not.
paid as (

    select
        dates.as_of,
        payments.invoice_id,
        sum(payments.applied_cents) as cents
    from {{ ref('int_qonto__invoice_payments') }} as payments
    inner join dates on payments.emitted_on <= dates.as_of
    group by dates.as_of, payments.invoice_id

),

credited as (

    select
        dates.as_of,
        notes.invoice_id,
        sum(notes.total_cents) as cents
    from {{ ref('stg_qonto__credit_notes') }} as notes
    inner join dates on coalesce(notes.issued_on, {{ local_day('notes.created_at') }}) <= dates.as_of
    group by dates.as_of, notes.invoice_id

),

receivables as (

    select
        dates.as_of,
        dates.is_current,
        invoices.invoice_id,
        invoices.client as counterparty,
        invoices.invoice_number,
        invoices.currency,
        invoices.total_cents - coalesce(credited.cents, 0) - greatest(
            coalesce(paid.cents, 0), case when invoices.status = 'paid' then 0 else invoices.paid_cents end
        ) as open_cents,
        invoices.due_on,
        {{ add_days('invoices.due_on', 'delays.usual_delay_days') }} as usual_on,
        {{ days_between('invoices.due_on', 'dates.as_of') }} as days_overdue
    from {{ ref('int_qonto__client_invoices') }} as invoices
    inner join dates on invoices.issued_on <= dates.as_of
    inner join {{ ref('int_qonto__client_delays') }} as delays
        on dates.as_of = delays.as_of and coalesce(invoices.client_id, '') = delays.client_id
    left join paid on dates.as_of = paid.as_of and invoices.invoice_id = paid.invoice_id
    left join credited on dates.as_of = credited.as_of and invoices.invoice_id = credited.invoice_id
    where
        invoices.status = 'unpaid'
        or (not dates.is_current and invoices.status = 'paid' and invoices.paid_on > dates.as_of)

),

-- A transfer that is on its way pays these, and is counted itself.
sent as (

    select distinct
        known.as_of,
        invoices.invoice_id
    from {{ ref('int_qonto__supplier_invoices') }} as invoices
    {{ each_item('invoices.transfer_ids', 'ids') }}
    inner join {{ ref('int_qonto__expected_known') }} as known
        on known.source = 'sepa_transfer' and {{ json_text(item('ids')) }} = known.document_id

),

payables as (

    select
        dates.as_of,
        dates.is_current,
        invoices.invoice_id,
        invoices.supplier as counterparty,
        invoices.invoice_number,
        invoices.currency,
        invoices.is_credit_note,
        case when dates.is_current then invoices.status else 'to_pay' end as status,
        case
            when invoices.is_credit_note then invoices.open_cents
            else greatest(0, invoices.open_cents - coalesce(paid.cents, 0))
        end as open_cents,
        -- What has no day is paid a month after its issue, as most are.
        coalesce(
            case when dates.is_current then invoices.pay_on else invoices.due_on end,
            {{ add_days('invoices.issued_on', 30) }}
        ) as pay_on
    from {{ ref('int_qonto__supplier_invoices') }} as invoices
    inner join dates on invoices.arrived_on <= dates.as_of
    left join paid on dates.as_of = paid.as_of and invoices.invoice_id = paid.invoice_id
    left join sent on dates.as_of = sent.as_of and invoices.invoice_id = sent.invoice_id
    where
        sent.invoice_id is null
        and (
            invoices.is_open
            or (not dates.is_current and invoices.status = 'paid' and invoices.paid_on > dates.as_of)
        )

)

select
    as_of,
    'client_invoice' as source,
    invoice_id as document_id,
    counterparty,
    invoice_number as description,
    currency,
    'credit' as side,
    cast(open_cents as bigint) as amount_cents,
    due_on as promised_on,
    {{ expected_on('usual_on', 'due_on', 'as_of') }} as expected_on,
    {{ weight('days_overdue') }} as weight,
    case when days_overdue > 90 then 'doubtful' else 'likely' end as certainty
from receivables
where open_cents > 0

union all

select
    as_of,
    'supplier_invoice',
    invoice_id,
    counterparty,
    invoice_number,
    currency,
    'debit',
    cast(open_cents as bigint),
    pay_on,
    {{ expected_on('pay_on', 'pay_on', 'as_of') }},
    cast(1 as {{ type_decimal(5, 4) }}),
    case
        when {{ days_between('pay_on', 'as_of') }} > 90 then 'doubtful'
        when status = 'scheduled' then 'known'
        else 'likely'
    end
from payables
where open_cents <> 0
