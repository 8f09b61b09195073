{#- What came back every month by each day of forecast, without an invoice or a standing order: at
    least three times in half a year, 26 to 35 days apart, within 15 % of the median amount, and
    not yet overdue by more than five days. -#}
with flows as (

    select *
    from {{ ref('int_qonto__operating_flows') }}
    where origin = 'other' and counterparty_key <> '' and completed_on is not null

),

names as (

    select
        row_number() over (order by account_id, currency, side, operation_type, counterparty_key) as series,
        account_id,
        currency,
        side,
        operation_type,
        counterparty_key,
        max(counterparty) as counterparty
    from flows
    group by account_id, currency, side, operation_type, counterparty_key
    having count(*) >= 3

),

payments as (

    select
        names.series,
        flows.amount_cents,
        flows.completed_on,
        {{ days_between('lag(flows.completed_on) over (partition by names.series order by flows.completed_on)', 'flows.completed_on') }} as gap
    from flows
    inner join names
        on
            flows.account_id = names.account_id
            and flows.currency = names.currency
            and flows.side = names.side
            and flows.operation_type = names.operation_type
            and flows.counterparty_key = names.counterparty_key

),

-- Few are worth a look on every day of forecast: those that ever came twice in a row in time.
regular as (

    select series
    from payments
    where gap between 26 and 35
    group by series
    having count(*) >= 2

),

seen as (

    select
        dates.as_of,
        payments.series,
        payments.amount_cents,
        payments.completed_on,
        -- The first of the half year follows none.
        case when payments.gap < {{ days_between(add_days('dates.as_of', -190), 'payments.completed_on') }} then payments.gap end as gap
    from payments
    inner join regular on payments.series = regular.series
    inner join {{ ref('int_qonto__forecast_dates') }} as dates
        on payments.completed_on > {{ add_days('dates.as_of', -190) }} and payments.completed_on <= dates.as_of

),

grouped as (

    select
        as_of,
        series,
        min(amount_cents) as least_cents,
        max(amount_cents) as most_cents,
        max(completed_on) as last_on,
        {{ median('gap') }} as interval_days,
        {{ median('amount_cents') }} as amount_cents
    from seen
    group by as_of, series
    having count(*) >= 3 and min(gap) >= 26 and max(gap) <= 35

)

select
    grouped.as_of,
    names.account_id,
    names.currency,
    names.side,
    names.operation_type,
    names.counterparty_key,
    names.counterparty,
    grouped.last_on,
    grouped.interval_days,
    grouped.amount_cents
from grouped
inner join names on grouped.series = names.series
where
    grouped.least_cents * 100 >= grouped.amount_cents * 85
    and grouped.most_cents * 100 <= grouped.amount_cents * 115
    and {{ days_between('grouped.last_on', 'grouped.as_of') }} <= grouped.interval_days + 5
