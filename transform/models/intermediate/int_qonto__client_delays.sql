{#- How many days after the due day each client pays as a rule, by what was known on each day of
    forecast; the rule of all clients where one has paid fewer than three invoices. -#}
with paid as (

    select
        dates.as_of,
        invoices.client_id,
        {{ days_between('invoices.due_on', 'invoices.paid_on') }} as delay
    from {{ ref('int_qonto__client_invoices') }} as invoices
    inner join {{ ref('int_qonto__forecast_dates') }} as dates on invoices.paid_on <= dates.as_of
    where invoices.status = 'paid'

),

by_client as (

    select
        as_of,
        client_id,
        {{ median('delay') }} as delay
    from paid
    where client_id is not null
    group by as_of, client_id
    having count(*) >= 3

),

by_all as (

    select
        as_of,
        {{ median('delay') }} as delay
    from paid
    group by as_of

),

clients as (

    select distinct coalesce(client_id, '') as client_id
    from {{ ref('int_qonto__client_invoices') }}

)

select
    dates.as_of,
    clients.client_id,
    cast(coalesce(by_client.delay, by_all.delay, 0) as bigint) as usual_delay_days
from {{ ref('int_qonto__forecast_dates') }} as dates
cross join clients
left join by_client on dates.as_of = by_client.as_of and clients.client_id = by_client.client_id
left join by_all on dates.as_of = by_all.as_of
