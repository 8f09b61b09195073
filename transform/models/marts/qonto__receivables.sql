with invoices as (

    select
        invoices.*,
        as_of.as_of,
        greatest(0, {{ days_between('invoices.due_on', 'as_of.as_of') }}) as days_overdue,
        delays.usual_delay_days,
        {{ add_days('invoices.due_on', 'delays.usual_delay_days') }} as usual_on
    from {{ ref('int_qonto__client_invoices') }} as invoices
    cross join {{ ref('int_qonto__as_of') }} as as_of
    inner join {{ ref('int_qonto__client_delays') }} as delays
        on as_of.as_of = delays.as_of and coalesce(invoices.client_id, '') = delays.client_id
    where invoices.status = 'unpaid' and invoices.open_cents > 0

)

select
    invoice_id,
    invoice_number,
    client_id,
    client as client_name,
    currency,
    status,
    issued_on,
    due_on,
    {{ money('total_cents') }} as total,
    {{ money('paid_cents') }} as paid,
    {{ money('credited_cents') }} as credited,
    {{ money('open_cents') }} as open_amount,
    cast(days_overdue as bigint) as days_overdue,
    {{ age_bucket('days_overdue') }} as age_bucket,
    usual_delay_days,
    {{ expected_on('usual_on', 'due_on', 'as_of') }} as expected_on,
    {{ weight('days_overdue') }} as weight
from invoices
