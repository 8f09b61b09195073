{#- Everything that is expected on each day of forecast, each flow once. -#}
with dates as (

    select * from {{ ref('int_qonto__forecast_dates') }}

),

weeks as (

    select n + 1 as week
    from ({{ numbers(var('qonto_horizon_weeks')) }}) as numbers

),

series as (

    select
        series.as_of,
        series.account_id,
        series.currency,
        series.side,
        series.operation_type,
        series.counterparty_key,
        series.counterparty,
        series.amount_cents,
        series.last_on,
        weeks.week as occurrence,
        {{ not_before_tomorrow(add_days('series.last_on', 'series.interval_days * weeks.week'), 'series.as_of') }} as expected_on
    from {{ ref('int_qonto__series') }} as series
    cross join weeks

),

-- One that is pending already is the next one.
pending_series as (

    select distinct
        known.as_of,
        flows.account_id,
        flows.currency,
        flows.side,
        flows.operation_type,
        flows.counterparty_key
    from {{ ref('int_qonto__expected_known') }} as known
    inner join {{ ref('int_qonto__operating_flows') }} as flows
        on known.source = 'pending_transaction' and known.document_id = flows.transaction_id

),

series_flows as (

    select series.*
    from series
    left join pending_series as pending
        on
            series.as_of = pending.as_of
            and series.account_id = pending.account_id
            and series.currency = pending.currency
            and series.side = pending.side
            and series.operation_type = pending.operation_type
            and series.counterparty_key = pending.counterparty_key
    where
        series.expected_on <= {{ add_days('series.as_of', horizon_days()) }}
        and not (series.occurrence = 1 and pending.as_of is not null)

),

-- What moved in the last 13 weeks by what brought it about; what a series repeats is left out.
rates as (

    select
        dates.as_of,
        flows.currency,
        flows.side,
        flows.origin,
        sum(flows.amount_cents) as cents
    from {{ ref('int_qonto__operating_flows') }} as flows
    inner join dates
        on flows.completed_on > {{ add_days('dates.as_of', -91) }} and flows.completed_on <= dates.as_of
    left join {{ ref('int_qonto__series') }} as series
        on
            dates.as_of = series.as_of
            and flows.account_id = series.account_id
            and flows.currency = series.currency
            and flows.side = series.side
            and flows.operation_type = series.operation_type
            and case when flows.origin = 'other' then flows.counterparty_key end = series.counterparty_key
    where flows.origin in ('other', 'invoiced') and series.as_of is null
    group by dates.as_of, flows.currency, flows.side, flows.origin

),

documents as (

    select
        documents.*,
        cast(round(amount_cents * weight) as bigint) as counted_cents
    from {{ ref('int_qonto__expected_documents') }} as documents

),

-- What of that is on its way already, and therefore counted elsewhere.
ordered as (

    select
        as_of,
        currency,
        side,
        origin,
        sum(cents) as cents
    from (
        select
            as_of,
            currency,
            side,
            origin,
            amount_cents as cents
        from {{ ref('int_qonto__expected_known') }}
        where flow_type = 'operating'

        union all

        select
            as_of,
            currency,
            side,
            'invoiced',
            counted_cents
        from documents
        where certainty <> 'doubtful' and expected_on <= {{ add_days('as_of', horizon_days()) }}
    ) as counted
    group by as_of, currency, side, origin

),

-- A rate runs on from where the flows that are known leave off: up to each week, what 13 weeks
-- brought, a week's part each, less all that is known.
run_on as (

    select
        rates.as_of,
        rates.currency,
        rates.side,
        rates.origin,
        weeks.week,
        greatest(0, {{ whole_quotient('greatest(0, rates.cents) * weeks.week', '13') }} - coalesce(ordered.cents, 0))
        - greatest(0, {{ whole_quotient('greatest(0, rates.cents) * (weeks.week - 1)', '13') }} - coalesce(ordered.cents, 0))
            as cents
    from rates
    cross join weeks
    left join ordered
        on
            rates.as_of = ordered.as_of
            and rates.currency = ordered.currency
            and rates.side = ordered.side
            and rates.origin = ordered.origin

),

flows as (

    select
        as_of,
        source,
        'known' as certainty,
        account_id,
        document_id,
        counterparty,
        description,
        currency,
        side,
        promised_on,
        expected_on,
        amount_cents,
        cast(1 as {{ type_decimal(5, 4) }}) as weight,
        flow_type
    from {{ ref('int_qonto__expected_known') }}

    union all

    select
        as_of,
        source,
        certainty,
        cast(null as {{ type_text() }}),
        document_id,
        counterparty,
        description,
        currency,
        side,
        promised_on,
        expected_on,
        amount_cents,
        weight,
        'operating'
    from documents

    union all

    select
        as_of,
        'recurring_transfer',
        'likely',
        account_id,
        document_id,
        counterparty,
        description,
        currency,
        'debit',
        expected_on,
        expected_on,
        amount_cents,
        cast(1 as {{ type_decimal(5, 4) }}),
        'operating'
    from {{ ref('int_qonto__expected_recurring') }}

    union all

    select
        as_of,
        'series',
        'learned',
        account_id,
        {# Not an id of Qonto's, but what tells one series from another. #}
        account_id || '/' || coalesce(operation_type, '') || '/' || counterparty_key,
        counterparty,
        cast(null as {{ type_text() }}),
        currency,
        side,
        cast(null as date),
        expected_on,
        amount_cents,
        cast(1 as {{ type_decimal(5, 4) }}),
        'operating'
    from series_flows

    union all

    select
        as_of,
        case origin when 'invoiced' then 'not_yet_invoiced' else 'spending' end,
        case origin when 'invoiced' then 'assumed' else 'learned' end,
        cast(null as {{ type_text() }}),
        cast(null as {{ type_text() }}),
        cast(null as {{ type_text() }}),
        cast(null as {{ type_text() }}),
        currency,
        side,
        cast(null as date),
        {{ add_days('as_of', '7 * week - 3') }},
        cast(cents as bigint),
        cast(1 as {{ type_decimal(5, 4) }}),
        'operating'
    from run_on
    where cents > 0

)

select
    flows.*,
    case side when 'credit' then 1 else -1 end
    * cast(round(amount_cents * case certainty when 'doubtful' then 1 else weight end) as bigint) as net_cents,
    case
        when expected_on <= {{ add_days('as_of', horizon_days()) }}
            then {{ whole_quotient(days_between('as_of', 'expected_on') ~ ' + 6', '7') }}
    end as week
from flows
