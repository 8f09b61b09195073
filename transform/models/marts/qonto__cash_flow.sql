with moved as (

    select
        {{ month_of('completed_on') }} as month,
        account_id,
        currency,
        flow_type,
        category,
        subcategory,
        sum(case when net_cents > 0 then net_cents else 0 end) as in_cents,
        sum(case when net_cents < 0 then -net_cents else 0 end) as out_cents,
        count(*) as transactions
    from {{ ref('int_qonto__transactions') }}
    where completed_on is not null
    group by 1, 2, 3, 4, 5, 6

)

select
    moved.month,
    moved.account_id,
    accounts.account_name,
    moved.currency,
    moved.flow_type,
    moved.category,
    moved.subcategory,
    {{ money('moved.in_cents') }} as money_in,
    {{ money('moved.out_cents') }} as money_out,
    {{ money('moved.in_cents - moved.out_cents') }} as net,
    cast(moved.transactions as bigint) as transactions
from moved
left join {{ ref('int_qonto__accounts') }} as accounts on moved.account_id = accounts.account_id
