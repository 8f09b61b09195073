{{ config(severity='warn') }}
{#- A warning: the second leg may be in flight, or on an account that is not read. -#}
select
    currency,
    sum(net) as left_over
from {{ ref('qonto__cash_flow') }}
where flow_type = 'internal'
group by currency
having sum(net) <> 0
