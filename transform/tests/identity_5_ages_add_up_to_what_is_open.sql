with credited as (

    select
        invoice_id,
        sum(total_cents) as cents
    from {{ ref('stg_qonto__credit_notes') }}
    group by invoice_id

),

open_invoices as (

    select
        invoices.currency,
        {{ money('sum(invoices.total_cents - invoices.paid_cents - coalesce(credited.cents, 0))') }} as amount
    from {{ ref('stg_qonto__client_invoices') }} as invoices
    left join credited on invoices.invoice_id = credited.invoice_id
    where
        invoices.status = 'unpaid'
        and invoices.total_cents - invoices.paid_cents - coalesce(credited.cents, 0) > 0
    group by invoices.currency

),

ages as (

    select
        currency,
        sum(open_amount) as amount
    from {{ ref('qonto__receivables') }}
    where age_bucket in ('not due', '1-30', '31-60', '61-90', 'over 90')
    group by currency

)

select
    open_invoices.currency,
    open_invoices.amount as open_amount,
    ages.amount as by_age
from open_invoices
left join ages on open_invoices.currency = ages.currency
where open_invoices.amount <> coalesce(ages.amount, 0)
