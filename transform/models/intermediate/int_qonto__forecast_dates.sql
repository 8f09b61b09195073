{#- The days on which a forecast is made: today, and every past month end that has half a year of
    history behind it and a whole horizon before today. The same models forecast on all of them, so
    that the forecast stands beside its own past errors. -#}
with history as (

    select
        as_of.as_of,
        min(transactions.completed_on) as first_on
    from {{ ref('int_qonto__as_of') }} as as_of
    left join {{ ref('int_qonto__transactions') }} as transactions on transactions.completed_on is not null
    group by as_of.as_of

)

select
    as_of,
    true as is_current
from history

union all

select
    days.day,
    false
from history
inner join {{ ref('int_qonto__days') }} as days
    on days.day between {{ add_days('history.first_on', 182) }} and {{ add_days('history.as_of', '-' ~ horizon_days()) }}
where {{ month_of('days.day') }} <> {{ month_of(add_days('days.day', 1)) }}
