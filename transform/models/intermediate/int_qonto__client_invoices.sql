{#- Client invoices that were issued, with what is credited on them. -#}
with invoices as (

    select
        invoices.*,
        coalesce(invoices.issued_on, {{ local_day('invoices.created_at') }}) as issue_day,
        {{ local_day('invoices.paid_at') }} as paid_on
    from {{ ref('stg_qonto__client_invoices') }} as invoices
    where coalesce(invoices.status, '') <> 'draft'

),

credited as (

    select
        invoice_id,
        sum(total_cents) as cents
    from {{ ref('stg_qonto__credit_notes') }}
    group by invoice_id

)

select
    invoices.invoice_id,
    invoices.invoice_number,
    invoices.client_id,
    coalesce(invoices.client, clients.client) as client,
    invoices.status,
    coalesce(invoices.currency, 'EUR') as currency,
    invoices.total_cents,
    invoices.vat_cents,
    invoices.paid_cents,
    cast(coalesce(credited.cents, 0) as bigint) as credited_cents,
    cast(invoices.total_cents - invoices.paid_cents - coalesce(credited.cents, 0) as bigint) as open_cents,
    invoices.issue_day as issued_on,
    coalesce(invoices.due_on, invoices.issue_day) as due_on,
    invoices.paid_on,
    invoices.items,
    -- Canceled by credit notes, an invoice was issued and then taken back; canceled otherwise, it
    -- never counted.
    coalesce(invoices.status, '') <> 'canceled'
    or coalesce(credited.cents, 0) >= invoices.total_cents as is_issued
from invoices
left join {{ ref('stg_qonto__clients') }} as clients on invoices.client_id = clients.client_id
left join credited on invoices.invoice_id = credited.invoice_id
