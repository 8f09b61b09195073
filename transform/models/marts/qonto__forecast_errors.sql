with dates as (

    select as_of
    from {{ ref('int_qonto__forecast_dates') }}
    where not is_current

),

flows as (

    select
        as_of,
        currency,
        sum(case when source in ('client_invoice', 'supplier_invoice') then net_cents else 0 end) as documents_cents,
        sum(case when source in ('recurring_transfer', 'series', 'spending') then net_cents else 0 end) as habits_cents,
        sum(net_cents) as base_cents
    from {{ ref('int_qonto__expected_flows') }}
    where week is not null and certainty <> 'doubtful' and flow_type = 'operating'
    group by as_of, currency

),

moved as (

    select
        dates.as_of,
        transactions.currency,
        sum(case when transactions.completed_on > dates.as_of then transactions.net_cents else 0 end) as actual_cents,
        sum(case when transactions.completed_on <= dates.as_of then transactions.net_cents else 0 end) as before_cents
    from dates
    inner join {{ ref('int_qonto__transactions') }} as transactions
        on
            transactions.completed_on > {{ add_days('dates.as_of', -91) }}
            and transactions.completed_on <= {{ add_days('dates.as_of', horizon_days()) }}
    where transactions.flow_type = 'operating'
    group by dates.as_of, transactions.currency

),

methods as (

    select
        moved.as_of,
        moved.currency,
        'documents' as method,
        coalesce(flows.documents_cents, 0) as forecast_cents,
        moved.actual_cents
    from moved
    left join flows on moved.as_of = flows.as_of and moved.currency = flows.currency

    union all

    select
        moved.as_of,
        moved.currency,
        'documents_and_habits',
        coalesce(flows.documents_cents + flows.habits_cents, 0),
        moved.actual_cents
    from moved
    left join flows on moved.as_of = flows.as_of and moved.currency = flows.currency

    union all

    select
        moved.as_of,
        moved.currency,
        'base',
        coalesce(flows.base_cents, 0),
        moved.actual_cents
    from moved
    left join flows on moved.as_of = flows.as_of and moved.currency = flows.currency

    union all

    select
        as_of,
        currency,
        'run_rate',
        sign(before_cents)
        * {{ whole_quotient('abs(before_cents) * ' ~ var('qonto_horizon_weeks'), '13') }},
        actual_cents
    from moved

)

select
    currency,
    as_of as month_end,
    method,
    cast({{ horizon_days() }} as bigint) as horizon_days,
    {{ money('forecast_cents') }} as forecast,
    {{ money('actual_cents') }} as actual,
    {{ money('forecast_cents - actual_cents') }} as error
from methods
