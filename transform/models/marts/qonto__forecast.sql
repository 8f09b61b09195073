with as_of as (

    select as_of from {{ ref('int_qonto__as_of') }}

),

flows as (

    select flows.*
    from {{ ref('int_qonto__expected_flows') }} as flows
    inner join as_of on flows.as_of = as_of.as_of
    where flows.week is not null

),

openings as (

    select
        balances.currency,
        sum({{ cents('balances.balance') }}) as cents
    from {{ ref('qonto__daily_balances') }} as balances
    inner join as_of on balances.day = as_of.as_of
    group by balances.currency

),

currencies as (

    select
        coalesce(openings.currency, expected.currency) as currency,
        coalesce(openings.cents, 0) as opening_cents
    from openings
    full outer join (select distinct currency from flows) as expected
        on openings.currency = expected.currency

),

-- The base line at the end of each day.
daily as (

    select
        currency,
        expected_on,
        sum(case when certainty <> 'doubtful' then net_cents else 0 end) as base_cents,
        sum(case when certainty = 'doubtful' then net_cents else 0 end) as doubtful_cents
    from flows
    group by currency, expected_on

),

days as (

    select
        currencies.currency,
        {{ whole_quotient(days_between('as_of.as_of', 'days.day') ~ ' + 6', '7') }} as week,
        days.day,
        currencies.opening_cents + sum(coalesce(daily.base_cents, 0)) over (
            partition by currencies.currency order by days.day
        ) as balance_cents,
        coalesce(daily.base_cents, 0) as base_cents,
        coalesce(daily.doubtful_cents, 0) as doubtful_cents
    from currencies
    cross join as_of
    inner join {{ ref('int_qonto__days') }} as days
        on days.day > as_of.as_of and days.day <= {{ add_days('as_of.as_of', horizon_days()) }}
    left join daily on currencies.currency = daily.currency and days.day = daily.expected_on

),

by_week as (

    select
        currency,
        week,
        min(day) as week_starts_on,
        max(day) as week_ends_on,
        sum(base_cents) as base_cents,
        sum(doubtful_cents) as doubtful_cents,
        min(balance_cents) as lowest_cents
    from days
    group by currency, week

),

weeks as (

    select
        by_week.*,
        currencies.opening_cents + sum(by_week.base_cents) over (
            partition by by_week.currency order by by_week.week
        ) as closing_cents,
        sum(by_week.doubtful_cents) over (
            partition by by_week.currency order by by_week.week
        ) as doubtful_so_far_cents,
        row_number() over (
            partition by by_week.currency order by by_week.lowest_cents, by_week.week
        ) as place
    from by_week
    inner join currencies on by_week.currency = currencies.currency

),

certainties as (

    select 'known' as certainty
    union all
    select 'likely'
    union all
    select 'learned'
    union all
    select 'assumed'
    union all
    select 'doubtful'

),

parts as (

    select
        currency,
        week,
        certainty,
        sum(case when side = 'credit' then net_cents else 0 end) as in_cents,
        sum(case when side = 'debit' then -net_cents else 0 end) as out_cents
    from flows
    group by currency, week, certainty

)

select
    weeks.currency,
    cast(weeks.week as bigint) as week,
    weeks.week_starts_on,
    weeks.week_ends_on,
    certainties.certainty,
    {{ money('weeks.closing_cents - weeks.base_cents') }} as opening,
    {{ money('coalesce(parts.in_cents, 0)') }} as money_in,
    {{ money('coalesce(parts.out_cents, 0)') }} as money_out,
    {{ money('coalesce(parts.in_cents, 0) - coalesce(parts.out_cents, 0)') }} as net,
    {{ money('weeks.closing_cents') }} as closing,
    {{ money('weeks.lowest_cents') }} as lowest,
    {{ money('weeks.closing_cents + weeks.doubtful_so_far_cents') }} as closing_with_doubtful,
    weeks.place = 1 as is_lowest_week
from weeks
cross join certainties
left join parts
    on
        weeks.currency = parts.currency
        and weeks.week = parts.week
        and certainties.certainty = parts.certainty
