with pending as (

    select
        account_id,
        sum(amount_cents) as out_cents
    from {{ ref('int_qonto__transactions') }}
    where status = 'pending' and side = 'debit'
    group by account_id

),

statements as (

    select
        account_id,
        count(*) as statements,
        min(month) as first_month,
        max(month) as last_month
    from {{ ref('stg_qonto__statements') }}
    group by account_id

),

sums as (

    select
        accounts.*,
        openings.movements,
        openings.first_on,
        openings.last_on,
        openings.opening_cents,
        openings.opening_cents + openings.moved_cents as explained_cents,
        cast(coalesce(pending.out_cents, 0) as bigint) as pending_cents,
        statements.statements,
        statements.first_month,
        statements.last_month,
        accounts.is_comparable and not accounts.is_excluded and openings.is_opening_known as is_explainable
    from {{ ref('int_qonto__accounts') }} as accounts
    inner join {{ ref('int_qonto__openings') }} as openings on accounts.account_id = openings.account_id
    left join pending on accounts.account_id = pending.account_id
    left join statements on accounts.account_id = statements.account_id

)

select
    account_id,
    account_name,
    iban,
    currency,
    status,
    is_main,
    is_external,
    {{ money('balance_cents') }} as balance,
    {{ money('available_cents') }} as available,
    {{ money('opening_cents') }} as opening_balance,
    {{ money('explained_cents') }} as explained_balance,
    {{ money('balance_cents - explained_cents') }} as difference,
    case when is_explainable then balance_cents = explained_cents end as explained,
    {{ money('pending_cents') }} as pending_out,
    {{ money('explained_cents - pending_cents') }} as explained_available,
    {{ money('available_cents - (explained_cents - pending_cents)') }} as available_difference,
    cast(movements as bigint) as movements,
    first_on as first_movement_on,
    last_on as last_movement_on,
    cast(coalesce(statements, 0) as bigint) as statements,
    first_month as first_statement_month,
    last_month as last_statement_month,
    balance_at
from sums
