with parts as (

    select
        currency,
        {{ month_of('completed_on') }} as month,
        'cash' as method,
        rate,
        case when side = 'credit' then vat_cents else 0 end as collected_cents,
        case when side = 'debit' then vat_cents else 0 end as deductible_cents
    from {{ ref('int_qonto__transaction_vat') }}

    union all

    select
        currency,
        {{ month_of('issued_on') }},
        'invoiced',
        rate,
        case when kind = 'sale' then vat_cents else 0 end,
        case when kind = 'purchase' then vat_cents else 0 end
    from {{ ref('int_qonto__invoice_vat') }}

)

select
    currency,
    month,
    method,
    rate,
    {{ money('sum(collected_cents)') }} as collected,
    {{ money('sum(deductible_cents)') }} as deductible,
    {{ money('sum(collected_cents) - sum(deductible_cents)') }} as net
from parts
group by currency, month, method, rate
