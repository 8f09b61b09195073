with as_of as (

    select
        as_of,
        {{ month_of('as_of') }} as this_month
    from {{ ref('int_qonto__as_of') }}

),

cash as (

    select
        balances.currency,
        sum({{ cents('balances.balance') }}) as cash_cents,
        sum({{ cents('balances.available') }}) as available_cents
    from {{ ref('qonto__daily_balances') }} as balances
    inner join as_of on balances.day = as_of.as_of
    group by balances.currency

),

-- A month is full once it is over.
burns as (

    select
        flows.currency,
        min(flows.month) <= {{ add_months('max(as_of.this_month)', -3) }} as has_history,
        -sum(
            case
                when
                    flows.flow_type = 'operating'
                    and flows.month >= {{ add_months('as_of.this_month', -3) }}
                    and flows.month < as_of.this_month
                    then {{ cents('flows.net') }}
                else 0
            end
        ) as burnt_cents
    from {{ ref('qonto__cash_flow') }} as flows
    cross join as_of
    group by flows.currency

),

burn as (

    select
        currency,
        case
            when has_history
                then sign(burnt_cents) * {{ whole_quotient('2 * abs(burnt_cents) + 3', '6') }}
        end as burn_cents
    from burns

),

receivables as (

    select
        currency,
        sum({{ cents('open_amount') }}) as open_cents,
        sum(case when days_overdue > 0 then {{ cents('open_amount') }} else 0 end) as overdue_cents,
        sum(case when days_overdue > 0 then 1 else 0 end) as overdue
    from {{ ref('qonto__receivables') }}
    group by currency

),

payables as (

    select
        payables.currency,
        sum({{ cents('payables.open_amount') }}) as open_cents,
        sum(case when payables.days_overdue > 0 then {{ cents('payables.open_amount') }} else 0 end) as overdue_cents,
        sum(case when payables.open_amount is null then 1 else 0 end) as not_analyzed,
        sum(
            case when payables.pay_on <= {{ add_days('as_of.as_of', 7) }} then {{ cents('payables.open_amount') }} else 0 end
        ) as in_7_days_cents,
        sum(
            case when payables.pay_on <= {{ add_days('as_of.as_of', 30) }} then {{ cents('payables.open_amount') }} else 0 end
        ) as in_30_days_cents
    from {{ ref('qonto__payables') }} as payables
    cross join as_of
    group by payables.currency

),

lowest as (

    select
        currency,
        max(case when is_lowest_week then lowest end) as lowest,
        max(case when is_lowest_week then week end) as week,
        max(case when is_lowest_week then week_starts_on end) as week_starts_on,
        max(case when week = {{ var('qonto_horizon_weeks') }} then closing end) as closing
    from {{ ref('qonto__forecast') }}
    group by currency

),

shares as (

    select
        currency,
        sum(case when certainty = 'known' then {{ cents('abs(net)') }} else 0 end) as known,
        sum(case when certainty = 'likely' then {{ cents('abs(net)') }} else 0 end) as likely,
        sum(case when certainty = 'learned' then {{ cents('abs(net)') }} else 0 end) as learned,
        sum(case when certainty = 'assumed' then {{ cents('abs(net)') }} else 0 end) as assumed,
        sum({{ cents('abs(net)') }}) as total
    from {{ ref('qonto__payment_calendar') }}
    where week is not null and certainty <> 'doubtful'
    group by currency

),

invoiced as (

    select
        currency,
        sum(cents) as cents
    from (
        select
            currency,
            issued_on,
            total_cents as cents
        from {{ ref('int_qonto__client_invoices') }}
        where is_issued

        union all

        select
            notes.currency,
            coalesce(notes.issued_on, {{ local_day('notes.created_at') }}),
            -notes.total_cents
        from {{ ref('stg_qonto__credit_notes') }} as notes
        left join {{ ref('int_qonto__client_invoices') }} as invoices
            on notes.invoice_id = invoices.invoice_id
        where coalesce(invoices.is_issued, true)
    ) as documents
    cross join as_of
    where issued_on > {{ add_days('as_of.as_of', -90) }} and issued_on <= as_of.as_of
    group by currency

),

reconciled as (

    select
        transactions.currency,
        sum(case when transactions.is_matchable then 1 else 0 end) as matchable,
        sum(case when transactions.is_matched then 1 else 0 end) as matched,
        sum(case when transactions.is_documentable then 1 else 0 end) as documentable,
        sum(case when transactions.is_documented then 1 else 0 end) as documented
    from {{ ref('qonto__reconciliation') }} as transactions
    cross join as_of
    where transactions.settled_on > {{ add_months('as_of.as_of', -12) }}
    group by transactions.currency

),

receipts as (

    select
        currency,
        count(*) as missing,
        sum({{ cents('amount') }}) as missing_cents
    from {{ ref('qonto__missing_receipts') }}
    group by currency

),

accounts as (

    select
        currency,
        max(case when is_main then 1 else 0 end) as is_main,
        sum(case when is_external then 0 else 1 end) as accounts,
        sum(case when explained then 1 else 0 end) as explained
    from {{ ref('qonto__accounts') }}
    group by currency

),

gaps as (

    select
        currency,
        count(*) as gaps
    from {{ ref('qonto__balance_gaps') }}
    group by currency

),

currencies as (

    select currency from accounts
    {{ union_distinct() }}
    select currency from cash
    {{ union_distinct() }}
    select currency from burn
    {{ union_distinct() }}
    select currency from receivables
    {{ union_distinct() }}
    select currency from payables
    {{ union_distinct() }}
    select currency from lowest

),

organization as (

    select
        max(organization_name) as organization_name,
        max(locale) as locale
    from {{ ref('stg_qonto__organization') }}

),

loaded as (

    select max(loaded_at) as loaded_at
    from (
        select loaded_at from {{ ref('stg_qonto__transactions') }}
        union all
        select loaded_at from {{ ref('stg_qonto__bank_accounts') }}
    ) as loads

)

select
    currencies.currency,
    coalesce(accounts.is_main, 0) = 1 as is_main,
    organization.organization_name,
    organization.locale,
    as_of.as_of,
    loaded.loaded_at,
    {{ money('coalesce(cash.cash_cents, 0)') }} as cash,
    {{ money('coalesce(cash.available_cents, 0)') }} as available,
    {{ money('burn.burn_cents') }} as burn,
    {{ ratio('coalesce(cash.cash_cents, 0)', 'burn.burn_cents', 18, 1) }} as runway_months,
    {{ money('coalesce(receivables.open_cents, 0)') }} as receivables,
    {{ money('coalesce(receivables.overdue_cents, 0)') }} as overdue,
    cast(coalesce(receivables.overdue, 0) as bigint) as overdue_invoices,
    {{ money('coalesce(payables.open_cents, 0)') }} as payables,
    {{ money('coalesce(payables.overdue_cents, 0)') }} as payables_overdue,
    cast(coalesce(payables.not_analyzed, 0) as bigint) as payables_not_analyzed,
    {{ money('coalesce(payables.in_7_days_cents, 0)') }} as to_pay_7_days,
    {{ money('coalesce(payables.in_30_days_cents, 0)') }} as to_pay_30_days,
    lowest.lowest as lowest_balance,
    lowest.week as lowest_week,
    lowest.week_starts_on as lowest_week_starts_on,
    lowest.closing as forecast_closing,
    {{ ratio('shares.known', 'shares.total', 5, 4) }} as share_known,
    {{ ratio('shares.likely', 'shares.total', 5, 4) }} as share_likely,
    {{ ratio('shares.learned', 'shares.total', 5, 4) }} as share_learned,
    {{ ratio('shares.assumed', 'shares.total', 5, 4) }} as share_assumed,
    {{ ratio('90 * receivables.open_cents', 'invoiced.cents', 18, 1) }} as dso_days,
    {{ ratio('reconciled.matched', 'reconciled.matchable', 5, 4) }} as matched_rate,
    {{ ratio('reconciled.documented', 'reconciled.documentable', 5, 4) }} as documented_rate,
    cast(coalesce(receipts.missing, 0) as bigint) as missing_receipts,
    {{ money('coalesce(receipts.missing_cents, 0)') }} as missing_receipts_amount,
    cast(coalesce(accounts.accounts, 0) as bigint) as accounts,
    cast(coalesce(accounts.explained, 0) as bigint) as accounts_explained,
    cast(coalesce(gaps.gaps, 0) as bigint) as balance_gaps
from currencies
cross join as_of
cross join organization
cross join loaded
left join accounts on currencies.currency = accounts.currency
left join cash on currencies.currency = cash.currency
left join burn on currencies.currency = burn.currency
left join receivables on currencies.currency = receivables.currency
left join payables on currencies.currency = payables.currency
left join lowest on currencies.currency = lowest.currency
left join shares on currencies.currency = shares.currency
left join invoiced on currencies.currency = invoiced.currency
left join reconciled on currencies.currency = reconciled.currency
left join receipts on currencies.currency = receipts.currency
left join gaps on currencies.currency = gaps.currency
