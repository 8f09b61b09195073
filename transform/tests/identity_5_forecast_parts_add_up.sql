{#- The closing of the last week is the opening of the first and every part of the base line, and
    both are what the payment calendar has. -#}
with bounds as (

    select
        currency,
        max(case when week = 1 then opening end) as opening,
        max(case when week = {{ var('qonto_horizon_weeks') }} then closing end) as closing,
        sum(case when certainty <> 'doubtful' then net else 0 end) as parts
    from {{ ref('qonto__forecast') }}
    group by currency

),

calendar as (

    select
        currency,
        sum(net) as net
    from {{ ref('qonto__payment_calendar') }}
    where week is not null and certainty <> 'doubtful'
    group by currency

)

select
    bounds.currency,
    bounds.opening,
    bounds.parts,
    bounds.closing,
    calendar.net
from bounds
left join calendar on bounds.currency = calendar.currency
where
    bounds.opening + bounds.parts <> bounds.closing
    or bounds.parts <> coalesce(calendar.net, 0)
