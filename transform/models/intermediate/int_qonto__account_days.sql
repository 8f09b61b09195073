{#- The days on which something settled on an account: what moved, what that adds up to, and the
    balance that Qonto says was there at the end of the day. -#}
with movements as (

    select
        account_id,
        completed_on as day,
        transaction_id,
        settled_at,
        net_cents,
        settled_balance_cents
    from {{ ref('int_qonto__transactions') }}
    where completed_on is not null and net_cents is not null

),

days as (

    select
        account_id,
        day,
        sum(case when net_cents > 0 then net_cents else 0 end) as in_cents,
        sum(case when net_cents < 0 then -net_cents else 0 end) as out_cents,
        sum(net_cents) as net_cents
    from movements
    group by account_id, day

),

added_up as (

    select
        days.account_id,
        days.day,
        cast(days.in_cents as bigint) as in_cents,
        cast(days.out_cents as bigint) as out_cents,
        cast(
            coalesce(openings.opening_cents, 0)
            + sum(days.net_cents) over (partition by days.account_id order by days.day)
            as bigint
        ) as explained_cents
    from days
    left join {{ ref('int_qonto__openings') }} as openings on days.account_id = openings.account_id

),

-- At one instant several may settle, and only one of them is the last: the one that fits, if any.
said as (

    select
        movements.account_id,
        movements.day,
        movements.settled_balance_cents as said_cents,
        row_number() over (
            partition by movements.account_id, movements.day
            order by
                movements.settled_at desc,
                case when movements.settled_balance_cents = added_up.explained_cents then 0 else 1 end,
                movements.transaction_id
        ) as place
    from movements
    inner join added_up on movements.account_id = added_up.account_id and movements.day = added_up.day
    where movements.settled_balance_cents is not null

)

select
    added_up.account_id,
    added_up.day,
    added_up.in_cents,
    added_up.out_cents,
    added_up.explained_cents,
    said.said_cents
from added_up
left join said
    on added_up.account_id = said.account_id and added_up.day = said.day and said.place = 1
