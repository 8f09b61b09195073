{#- Every account, with whether its movements are there to explain its balance.

    An account that Qonto lists is one; where that list is not there at all, an account is what
    transactions name, and `unknown` where they name none. -#}
{%- do ref('stg_qonto__transactions') -%}
{%- set asked = has_columns('bank_accounts', [('balance_cents', 'balance')]) and has_columns(
    'transactions',
    ['bank_account_id', 'side', 'settled_at', ('amount_cents', 'amount'), ('settled_balance_cents', 'settled_balance')]
) -%}
with listed as (

    select * from {{ ref('stg_qonto__bank_accounts') }}

),

main_currency as (

    select coalesce(max(case when is_main then currency end), max(currency), 'EUR') as currency
    from listed

)

select
    listed.account_id,
    listed.account_name,
    listed.iban,
    upper(coalesce(listed.currency, main_currency.currency)) as currency,
    listed.status,
    listed.is_main,
    listed.is_external,
    listed.account_id in (
        {%- for account in var('qonto_excluded_accounts') %}'{{ account }}', {% endfor -%}
        'none'
    ) as is_excluded,
    listed.balance_cents,
    listed.available_cents,
    listed.updated_at as balance_at,
    -- Transactions are read up to the second in which the run began, balances a moment later: one
    -- that changed in between may hold a payment that is read by the next run.
    {{ 'true' if asked else 'false' }}
    and listed.balance_cents is not null
    and not listed.is_external
    and (
        listed.loaded_at is null
        or listed.updated_at is null
        or listed.updated_at <= {{ add_seconds('listed.loaded_at', -60) }}
    ) as is_comparable
from listed
cross join main_currency
{% if not has_columns('bank_accounts', ['id']) or not has_columns('transactions', ['bank_account_id']) %}
union all

select
    account_id,
    cast(null as {{ type_text() }}),
    cast(null as {{ type_text() }}),
    coalesce(max(currency), 'EUR'),
    cast(null as {{ type_text() }}),
    false,
    false,
    false,
    cast(null as bigint),
    cast(null as bigint),
    max(cast(null as timestamp)),
    false
from {{ ref('stg_qonto__transactions') }}
where account_id not in (select listed.account_id from listed)
group by account_id
{% endif %}
