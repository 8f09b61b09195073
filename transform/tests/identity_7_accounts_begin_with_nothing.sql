{{ config(severity='warn') }}
{#- Unless the tap has a start_date (variable qonto_start_date), an account begins with 0. -#}
select *
from {{ ref('qonto__balance_gaps') }}
where kind = 'opening'
