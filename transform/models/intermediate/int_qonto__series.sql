{#- What came back every month by each day of forecast, without an invoice or a standing order: at
    least three times in half a year, 26 to 35 days apart, within 15 % of the median amount, and
    not yet overdue by more than five days. -#}
with seen as (

    select
        dates.as_of,
        flows.account_id,
        flows.currency,
        flows.side,
        flows.operation_type,
        flows.counterparty_key,
        flows.counterparty,
        flows.amount_cents,
        flows.completed_on,
        {{ days_between('lag(flows.completed_on) over (
            partition by
                dates.as_of, flows.account_id, flows.currency, flows.side, flows.operation_type,
                flows.counterparty_key
            order by flows.completed_on, flows.transaction_id
        )', 'flows.completed_on') }} as gap
    from {{ ref('int_qonto__operating_flows') }} as flows
    inner join {{ ref('int_qonto__forecast_dates') }} as dates
        on flows.completed_on > {{ add_days('dates.as_of', -190) }} and flows.completed_on <= dates.as_of
    where flows.origin = 'other' and flows.counterparty_key <> ''

),

grouped as (

    select
        as_of,
        account_id,
        currency,
        side,
        operation_type,
        counterparty_key,
        max(counterparty) as counterparty,
        count(*) as occurrences,
        min(gap) as shortest_gap,
        max(gap) as longest_gap,
        min(amount_cents) as least_cents,
        max(amount_cents) as most_cents,
        max(completed_on) as last_on
    from seen
    group by as_of, account_id, currency, side, operation_type, counterparty_key
    having count(*) >= 3 and min(gap) >= 26 and max(gap) <= 35

),

medians as (

    select
        seen.as_of,
        seen.account_id,
        seen.currency,
        seen.side,
        seen.operation_type,
        seen.counterparty_key,
        {{ median('seen.gap') }} as interval_days,
        {{ median('seen.amount_cents') }} as amount_cents
    from seen
    inner join grouped
        on
            seen.as_of = grouped.as_of
            and seen.account_id = grouped.account_id
            and seen.currency = grouped.currency
            and seen.side = grouped.side
            and seen.operation_type = grouped.operation_type
            and seen.counterparty_key = grouped.counterparty_key
    group by
        seen.as_of, seen.account_id, seen.currency, seen.side, seen.operation_type, seen.counterparty_key

)

select
    grouped.as_of,
    grouped.account_id,
    grouped.currency,
    grouped.side,
    grouped.operation_type,
    grouped.counterparty_key,
    grouped.counterparty,
    grouped.last_on,
    medians.interval_days,
    medians.amount_cents
from grouped
inner join medians
    on
        grouped.as_of = medians.as_of
        and grouped.account_id = medians.account_id
        and grouped.currency = medians.currency
        and grouped.side = medians.side
        and grouped.operation_type = medians.operation_type
        and grouped.counterparty_key = medians.counterparty_key
where
    grouped.least_cents * 100 >= medians.amount_cents * 85
    and grouped.most_cents * 100 <= medians.amount_cents * 115
    and {{ days_between('grouped.last_on', 'grouped.as_of') }} <= medians.interval_days + 5
