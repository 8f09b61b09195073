{{ config(severity='warn') }}
{#- Not asked where no transaction is pending or declined: then these are probably not read. -#}
select
    account_id,
    available as said,
    explained_available as explained
from {{ ref('qonto__accounts') }}
where
    explained is not null
    and available <> explained_available
    and exists (select 1 from {{ ref('stg_qonto__transactions') }} where status <> 'completed')
