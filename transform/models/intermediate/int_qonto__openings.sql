{#- What was on each account before its first movement.

    Qonto says with each movement what the balance was after it; the first of these, less all that
    moved until then, is the opening. Where Qonto never says it (accounts elsewhere), the opening
    is what explains today's balance.

    With a start date only such older rows are there as changed later: the history is whole from the
    day after it on, and the first movement since then is the one that counts. -#}
with movements as (

    select
        account_id,
        transaction_id,
        settled_at,
        completed_on,
        net_cents,
        settled_balance_cents as after_cents,
        settled_balance_cents - net_cents as before_cents
    from {{ ref('int_qonto__transactions') }}
    where completed_on is not null and net_cents is not null

),

totals as (

    select
        account_id,
        count(*) as movements,
        min(completed_on) as first_on,
        max(completed_on) as last_on,
        sum(net_cents) as moved_cents,
        coalesce(
            min(case when after_cents is not null and {{ is_whole('completed_on') }} then settled_at end),
            min(case when after_cents is not null then settled_at end)
        ) as first_said_at
    from movements
    group by account_id

),

firsts as (

    select movements.*
    from movements
    inner join totals
        on movements.account_id = totals.account_id and movements.settled_at = totals.first_said_at
    where movements.after_cents is not null

),

-- Of several movements at that one instant, the last is the one that no other begins after.
first_said as (

    select
        firsts.account_id,
        coalesce(
            max(case when next.transaction_id is null then firsts.after_cents end), max(firsts.after_cents)
        ) as said_cents
    from firsts
    left join firsts as next
        on
            firsts.account_id = next.account_id
            and firsts.transaction_id <> next.transaction_id
            and firsts.after_cents = next.before_cents
    group by firsts.account_id

),

moved_by_then as (

    select
        movements.account_id,
        sum(movements.net_cents) as moved_cents
    from movements
    inner join totals
        on movements.account_id = totals.account_id and movements.settled_at <= totals.first_said_at
    group by movements.account_id

)

select
    accounts.account_id,
    coalesce(totals.movements, 0) as movements,
    totals.first_on,
    totals.last_on,
    cast(coalesce(totals.moved_cents, 0) as bigint) as moved_cents,
    cast(
        case
            when first_said.said_cents is not null then first_said.said_cents - moved_by_then.moved_cents
            when
                totals.account_id is null
                and not accounts.is_external
                and not {{ 'true' if var('qonto_start_date') else 'false' }}
                then 0
            else coalesce(accounts.balance_cents, totals.moved_cents, 0) - coalesce(totals.moved_cents, 0)
        end as bigint
    ) as opening_cents,
    first_said.said_cents is not null or totals.account_id is null as is_opening_known
from {{ ref('int_qonto__accounts') }} as accounts
left join totals on accounts.account_id = totals.account_id
left join first_said on accounts.account_id = first_said.account_id
left join moved_by_then on accounts.account_id = moved_by_then.account_id
