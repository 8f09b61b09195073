{#- One row: the day that counts as today. -#}
{%- set as_of = (var('qonto_as_of') or env_var('QONTO_AS_OF', '')) | string -%}
select
{%- if as_of == 'latest' %}
    coalesce({{ local_day('max(updated_at)') }}, {{ local_day(utc_now()) }}) as as_of
from (
    select updated_at from {{ ref('stg_qonto__transactions') }}
    union all
    select updated_at from {{ ref('stg_qonto__bank_accounts') }}
) as changes
{%- elif as_of %}
    cast('{{ as_of }}' as date) as as_of
{%- else %}
    {{ local_day(utc_now()) }} as as_of
{%- endif %}
