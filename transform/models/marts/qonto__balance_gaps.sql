with accounts as (

    select * from {{ ref('qonto__accounts') }}

),

-- What Qonto says at the end of each day on which something settled, and now.
said as (

    select
        account_days.account_id,
        account_days.day,
        0 as place,
        account_days.said_cents,
        account_days.explained_cents
    from {{ ref('int_qonto__account_days') }} as account_days
    where account_days.said_cents is not null and {{ is_whole('account_days.day') }}

    union all

    select
        accounts.account_id,
        greatest(as_of.as_of, coalesce(accounts.last_movement_on, as_of.as_of)) as day,
        1 as place,
        {{ cents('accounts.balance') }},
        {{ cents('accounts.explained_balance') }}
    from accounts
    cross join {{ ref('int_qonto__as_of') }} as as_of
    where accounts.explained is not null

),

differences as (

    select
        said.*,
        said_cents - explained_cents as difference_cents,
        lag(said_cents - explained_cents, 1, cast(0 as bigint)) over (
            partition by account_id order by day, place
        ) as before_cents
    from said

),

gaps as (

    select
        account_id,
        day,
        'balance' as kind,
        max(said_cents) as said_cents,
        max(explained_cents) as explained_cents
    from (
        select
            differences.*,
            row_number() over (partition by account_id, day order by place) as rank_of_day
        from differences
        where difference_cents <> before_cents
    ) as parted
    where rank_of_day = 1
    group by account_id, day

    union all

    select
        account_id,
        first_movement_on,
        'opening',
        {{ cents('opening_balance') }},
        cast(0 as bigint)
    from accounts
    where
        explained is not null and opening_balance <> 0 and first_movement_on is not null
        and not {{ 'true' if var('qonto_start_date') else 'false' }}

    union all

    -- Apart from the balance itself: what Qonto holds back, and what is pending.
    select
        accounts.account_id,
        as_of.as_of,
        'available',
        {{ cents('accounts.available') }},
        {{ cents('accounts.balance - accounts.pending_out') }}
    from accounts
    cross join {{ ref('int_qonto__as_of') }} as as_of
    where
        accounts.explained is not null
        and accounts.available <> accounts.balance - accounts.pending_out
        and exists (select 1 from {{ ref('stg_qonto__transactions') }} where status <> 'completed')
    {%- if has_columns('bank_accounts', ['id']) %}

    union all

    select
        transactions.account_id,
        min(transactions.completed_on),
        'account',
        cast(null as bigint),
        cast(sum(transactions.net_cents) as bigint)
    from {{ ref('int_qonto__transactions') }} as transactions
    left join accounts on transactions.account_id = accounts.account_id
    where accounts.account_id is null and transactions.completed_on is not null
    group by transactions.account_id
    {%- endif %}

),

currencies as (

    select
        account_id,
        max(currency) as currency
    from {{ ref('int_qonto__transactions') }}
    group by account_id

)

select
    gaps.account_id,
    accounts.account_name,
    coalesce(accounts.currency, currencies.currency) as currency,
    gaps.day,
    gaps.kind,
    {{ money('gaps.said_cents') }} as said,
    {{ money('gaps.explained_cents') }} as explained,
    {{ money('gaps.said_cents - gaps.explained_cents') }} as difference
from gaps
left join accounts on gaps.account_id = accounts.account_id
left join currencies on gaps.account_id = currencies.account_id
