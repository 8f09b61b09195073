with as_of as (

    select as_of from {{ ref('int_qonto__as_of') }}

),

spans as (

    select
        accounts.account_id,
        accounts.account_name,
        accounts.currency,
        openings.opening_cents,
        coalesce(openings.first_on, as_of.as_of) as first_on,
        greatest(coalesce(openings.last_on, as_of.as_of), as_of.as_of) as last_on
    from {{ ref('int_qonto__accounts') }} as accounts
    inner join {{ ref('int_qonto__openings') }} as openings on accounts.account_id = openings.account_id
    cross join as_of
    where not accounts.is_excluded and not accounts.is_external

),

-- A debit is pending from the day on which it is emitted to the day before it settles: one step up,
-- one step down.
steps as (

    select
        account_id,
        emitted_on as day,
        amount_cents as step_cents
    from {{ ref('int_qonto__transactions') }}
    where
        side = 'debit'
        and (status = 'pending' or (status = 'completed' and settled_on > emitted_on))

    union all

    select
        account_id,
        settled_on as day,
        -amount_cents as step_cents
    from {{ ref('int_qonto__transactions') }}
    where side = 'debit' and status = 'completed' and settled_on > emitted_on

),

pending as (

    select
        steps.account_id,
        -- What was pending before the first movement is so on its day.
        greatest(steps.day, spans.first_on) as day,
        sum(steps.step_cents) as step_cents
    from steps
    inner join spans on steps.account_id = spans.account_id
    group by steps.account_id, greatest(steps.day, spans.first_on)

),

days as (

    select
        spans.account_id,
        spans.account_name,
        spans.currency,
        days.day,
        coalesce(moved.in_cents, 0) as in_cents,
        coalesce(moved.out_cents, 0) as out_cents,
        spans.opening_cents + sum(coalesce(moved.in_cents, 0) - coalesce(moved.out_cents, 0)) over (
            partition by spans.account_id order by days.day
        ) as balance_cents,
        sum(coalesce(pending.step_cents, 0)) over (
            partition by spans.account_id order by days.day
        ) as pending_cents
    from spans
    inner join {{ ref('int_qonto__days') }} as days on days.day between spans.first_on and spans.last_on
    left join {{ ref('int_qonto__account_days') }} as moved
        on spans.account_id = moved.account_id and days.day = moved.day
    left join pending on spans.account_id = pending.account_id and days.day = pending.day

)

select
    account_id,
    account_name,
    currency,
    day,
    {{ money('in_cents') }} as money_in,
    {{ money('out_cents') }} as money_out,
    {{ money('balance_cents') }} as balance,
    {{ money('pending_cents') }} as pending_out,
    {{ money('balance_cents - pending_cents') }} as available
from days
