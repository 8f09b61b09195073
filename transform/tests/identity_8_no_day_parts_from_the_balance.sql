{{ config(severity='warn') }}
{#- Errors that cancel out later leave the last balance right; this sees them on their day. -#}
select *
from {{ ref('qonto__balance_gaps') }}
where kind = 'balance'
