with flows as (

    select
        account_id,
        month,
        sum(net) as net
    from {{ ref('qonto__cash_flow') }}
    group by account_id, month

),

months as (

    select
        account_id,
        {{ month_of('day') }} as month,
        max(day) as last_day
    from {{ ref('qonto__daily_balances') }}
    group by account_id, {{ month_of('day') }}

),

closings as (

    select
        months.account_id,
        months.month,
        balances.balance - coalesce(
            lag(balances.balance) over (partition by months.account_id order by months.month),
            accounts.opening_balance
        ) as difference
    from months
    inner join {{ ref('qonto__daily_balances') }} as balances
        on months.account_id = balances.account_id and months.last_day = balances.day
    inner join {{ ref('qonto__accounts') }} as accounts on months.account_id = accounts.account_id

)

select
    closings.account_id,
    closings.month,
    closings.difference,
    flows.net
from closings
left join flows on closings.account_id = flows.account_id and closings.month = flows.month
where closings.difference <> coalesce(flows.net, 0)
