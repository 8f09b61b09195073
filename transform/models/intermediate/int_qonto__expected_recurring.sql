{#- Standing orders to come on each day of forecast, less the executions that are ordered already. -#}
with periods as (

    select
        transfers.*,
        {{ local_day('transfers.created_at') }} as created_on,
        case frequency
            when 'weekly' then 0
            when 'monthly' then 1
            when 'quarterly' then 3
            when 'half_yearly' then 6
            when 'yearly' then 12
        end as months,
        case frequency
            when 'weekly' then 7
            when 'monthly' then 31
            when 'quarterly' then 92
            when 'half_yearly' then 184
            when 'yearly' then 366
        end as longest_days
    from {{ ref('stg_qonto__recurring_transfers') }} as transfers
    where coalesce(transfers.status, '') not in ('canceled', 'cancelled', 'declined', 'finished')

),

anchored as (

    select
        dates.as_of,
        periods.*,
        case when dates.is_current then periods.next_on else periods.first_on end as anchor_on
    from periods
    inner join {{ ref('int_qonto__forecast_dates') }} as dates
        on dates.is_current or (periods.created_on <= dates.as_of and periods.next_on is not null)
    where periods.months is not null and periods.amount_cents is not null

),

-- The first execution worth a look is the one that cannot lie after today.
steps as (

    select
        anchored.*,
        numbers.n + greatest(
            0, {{ whole_quotient('greatest(0, ' ~ days_between('anchor_on', 'as_of') ~ ')', 'longest_days') }}
        ) as step
    from anchored
    cross join ({{ numbers(var('qonto_horizon_weeks') + 12) }}) as numbers
    where anchor_on is not null

),

executions as (

    select
        steps.*,
        case
            when months = 0 then {{ add_days('anchor_on', '7 * step') }}
            else {{ add_months('anchor_on', 'months * step') }}
        end as expected_on
    from steps

)

select distinct
    executions.as_of,
    executions.recurring_transfer_id as document_id,
    executions.account_id,
    executions.currency,
    executions.amount_cents,
    executions.expected_on,
    beneficiaries.beneficiary as counterparty,
    executions.reference as description
from executions
left join {{ ref('stg_qonto__beneficiaries') }} as beneficiaries
    on executions.beneficiary_id = beneficiaries.beneficiary_id
left join {{ ref('int_qonto__accounts') }} as own on beneficiaries.iban = own.iban
left join {{ ref('int_qonto__expected_known') }} as known
    on
        executions.as_of = known.as_of
        and executions.recurring_transfer_id = known.recurring_transfer_id
        and abs({{ days_between('executions.expected_on', 'known.expected_on') }}) <= 3
where
    own.account_id is null
    and known.document_id is null
    and executions.expected_on > executions.as_of
    and executions.expected_on <= {{ add_days('executions.as_of', horizon_days()) }}
    and (executions.last_on is null or executions.expected_on <= executions.last_on)
