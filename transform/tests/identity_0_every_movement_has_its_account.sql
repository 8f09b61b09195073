{#- Every transaction is one of an account that Qonto lists. It waits for the table that says which
    account is missing. -#}
{%- do ref('qonto__balance_gaps') -%}
select
    transactions.account_id,
    count(*) as transactions
from {{ ref('stg_qonto__transactions') }} as transactions
left join {{ ref('qonto__accounts') }} as accounts on transactions.account_id = accounts.account_id
where accounts.account_id is null
group by transactions.account_id
