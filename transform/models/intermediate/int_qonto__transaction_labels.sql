{#- The labels of each transaction in one text. -#}
with named as (

    select distinct
        transactions.transaction_id,
        {% if has_columns('labels', ['name']) and has_columns('transactions', ['label_ids']) -%}
        labels.label
        {%- else -%}
        {{ json_field(item('ids'), ['name']) }} as label
        {%- endif %}
    from {{ ref('int_qonto__transactions') }} as transactions
    {% if has_columns('labels', ['name']) and has_columns('transactions', ['label_ids']) -%}
    {{ each_item('transactions.label_ids', 'ids') }}
    inner join {{ ref('stg_qonto__labels') }} as labels on {{ json_text(item('ids')) }} = labels.label_id
    {%- else -%}
    {{ each_item('transactions.labels', 'ids') }}
    {%- endif %}

)

select
    transaction_id,
    {{ joined('label') }} as labels
from named
where label is not null
group by transaction_id
